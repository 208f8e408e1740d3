"""Steps that are forked from a warmed process are what `python -m scoring` is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.engines.local.processes import Processes, ProcessResult
from pipeline.engines.local.warmed import Warmed
from pipeline.step_environment import ROOT, step_environment
from tests.pipeline.conftest import until
from tests.pipeline.small_fleet import models, readings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="steps are forked on Linux only")

SCORING = (sys.executable, "-m", "scoring")


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "tmp").mkdir()
    return step_environment(os.environ, ROOT, tmp_path / "tmp", 1)


@pytest.fixture
def warmed(environment):
    return Warmed(sys.executable, ROOT, environment)


@pytest.fixture
def processes(warmed):
    with Processes(warmed) as processes:
        yield processes


@pytest.fixture
def run(processes, environment, tmp_path):
    """Run a step; returns its result and its log."""

    def step(*command, seconds=None) -> tuple[ProcessResult, str]:
        log = tmp_path / "step.log"
        log.unlink(missing_ok=True)
        how = {"folder": ROOT, "environment": environment, "log": log, "seconds": seconds}
        return processes.run(command, **how), log.read_text()

    return step


@pytest.mark.parametrize(
    "options",
    [
        ("score", "--help"),
        ("score", "--data", "nowhere", "--models", "nowhere", "--out", "nowhere", "--key=1_1"),
        ("score", "--no-such-option"),
        ("no-such-command",),
        (),
    ],
)
def test_a_forked_step_prints_and_returns_what_the_command_line_does(run, environment, options):
    alone = subprocess.run(
        [*SCORING, *options], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    result, log = run(*SCORING, *options)
    assert log == alone.stdout + alone.stderr
    assert result.ok == (alone.returncode == 0)


def test_a_fleet_is_scored_with_the_same_bytes(run, environment, tmp_path):
    (tmp_path / "models").mkdir()
    for name, content in models().items():
        (tmp_path / "models" / name).write_bytes(content)
    (tmp_path / "data.csv").write_bytes(readings())
    given = ["--data", str(tmp_path / "data.csv"), "--models", str(tmp_path / "models")]
    for out, execute in (
        ("forked", lambda *command: run(*command)[0].ok),
        ("alone", lambda *command: subprocess.run(command, cwd=ROOT, env=environment, check=True)),
    ):
        folder = str(tmp_path / out)
        assert execute(*SCORING, "score", *given, "--shard=0/2", "--out", folder)
        assert execute(*SCORING, "score", *given, "--shard=1/2", "--out", folder)
        assert execute(*SCORING, "collect", *given, "--run", "a-run", "--preds", folder)
    forked, alone = (
        {path.relative_to(tmp_path / out): path.read_bytes() for path in (tmp_path / out).rglob("*.*")}
        for out in ("forked", "alone")
    )
    assert len(forked) > 5
    assert forked == alone


def test_a_step_is_a_fork_with_a_name_and_a_group_of_its_own_and_no_way_to_the_worker(
    warmed, environment, tmp_path
):
    with Processes(warmed), (tmp_path / "log").open("wb") as log:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [*SCORING, "score", "--data", str(pipe), "--models", str(ROOT), "--key=1_3"]
        step = warmed.start([*command, "--out", str(tmp_path / "out")], log.fileno())
        process = psutil.Process(step.pid)
        until(lambda: process.name() == "score 1_3")
        assert process.ppid() == warmed.pid
        assert os.getpgid(step.pid) == step.pid
        opened = {file.name: str(file.readlink()) for file in Path(f"/proc/{step.pid}/fd").iterdir()}
        assert [opened[number] for number in "012"] == [os.devnull, *[str(tmp_path / "log")] * 2]
        assert not [name for name in opened.values() if name.startswith("socket:")]
        os.killpg(step.pid, signal.SIGKILL)
        assert step.wait() == -signal.SIGKILL


def test_other_commands_and_other_environments_run_as_processes_of_their_own(run, warmed, environment):
    assert not warmed.can_run([sys.executable, "-c", "pass"], ROOT, environment)
    assert not warmed.can_run([*SCORING, "score"], ROOT / "tests", environment)
    assert not warmed.can_run([*SCORING, "score"], ROOT, environment | {"LANG": "C"})
    assert run(sys.executable, "-c", "print('by itself')")[1] == "by itself\n"


def test_steps_run_without_the_warmed_process_if_it_was_killed(run, warmed):
    os.killpg(warmed.pid, signal.SIGKILL)
    assert run(*SCORING, "score", "--help")[0].ok


def test_a_step_whose_warmed_process_is_killed_ends_and_counts_as_lost(warmed, tmp_path):
    with Processes(warmed), (tmp_path / "log").open("wb") as log:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [*SCORING, "score", "--data", str(pipe), "--models", str(ROOT), "--key=1_3"]
        step = warmed.start([*command, "--out", str(tmp_path / "out")], log.fileno())
        os.kill(warmed.pid, signal.SIGKILL)
        assert step.wait() == -signal.SIGKILL
        until(lambda: not psutil.pid_exists(step.pid))


def test_a_step_whose_warmed_process_hangs_ends_and_counts_as_lost(warmed, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.engines.local.warmed._REPLY_SECONDS", 0.1)
    with Processes(warmed), (tmp_path / "log").open("wb") as log:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [*SCORING, "score", "--data", str(pipe), "--models", str(ROOT), "--key=1_3"]
        step = warmed.start([*command, "--out", str(tmp_path / "out")], log.fileno())
        os.kill(warmed.pid, signal.SIGSTOP)
        os.killpg(step.pid, signal.SIGKILL)
        assert step.wait() == -signal.SIGKILL


def test_steps_run_without_a_warmed_process_that_hangs(run, warmed, monkeypatch):
    monkeypatch.setattr("pipeline.engines.local.warmed._START_SECONDS", 0.1)
    os.kill(warmed.pid, signal.SIGSTOP)
    assert run(*SCORING, "score", "--help")[0].ok


def test_code_that_cannot_be_imported_is_reported_in_the_log_of_the_step(environment, tmp_path):
    broken = tmp_path / "broken" / "scoring"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('nothing works')\n")
    environment |= {"PYTHONPATH": str(broken.parent)}
    with Processes(Warmed(sys.executable, broken.parent, environment)) as processes:
        log = tmp_path / "step.log"
        how = {"folder": broken.parent, "environment": environment, "log": log, "seconds": None}
        result = processes.run([*SCORING, "score"], **how)
    assert not result.ok
    assert "nothing works" in log.read_text()


def test_what_a_step_imports_was_imported_before_the_fork_by_one_thread(environment, tmp_path):
    (tmp_path / "models").mkdir()
    for name, content in models().items():
        (tmp_path / "models" / name).write_bytes(content)
    (tmp_path / "data.csv").write_bytes(readings())
    given = ["--data", str(tmp_path / "data.csv"), "--models", str(tmp_path / "models")]
    out = str(tmp_path / "out")
    program = (
        "import os, sys\n"
        "import scoring.preload\n"
        "threads, before = len(os.listdir('/proc/self/task')), set(sys.modules)\n"
        "from scoring.cli import main\n"
        f"assert main(['score', *{given}, '--key=1_1', '--out', {out!r}]) == 0\n"
        f"main(['collect', *{given}, '--preds', {out!r}])\n"
        "late = [name for name in set(sys.modules) - before if not name.startswith('encodings.')]\n"
        "print(threads, late, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == "1 []"
