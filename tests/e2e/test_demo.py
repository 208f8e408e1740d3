"""`make run`, as its users see it."""

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from dev.children import end_child, start_child

REPO = Path(__file__).parents[2]

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]


class Demo:
    """A demo under way; all of its processes carry a mark of ours."""

    def __init__(self, folder, *options):
        self.mark = uuid.uuid4().hex
        command = [sys.executable, "-m", "dev.demo", *map(str, options)]
        environment = {**os.environ, "TEST_MARK": self.mark, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        self.process = start_child(command, environment=environment, folder=REPO)
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.lines: list[str] = []
        self.folder = folder

    def read_until(self, pattern):
        for line in self.output:
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return
        pytest.fail(f"it never said {pattern!r}:\n" + "\n".join(self.lines))

    def end(self):
        self.lines += self.output.read().splitlines()
        self.output.close()
        return end_child(self.process)

    def left(self):
        """Processes of this demo that are still there."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.status() != psutil.STATUS_ZOMBIE
                    and process.environ().get("TEST_MARK") == self.mark
                ):
                    found.append(process)
            except psutil.Error:
                pass
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    demos = []

    def start(*options):
        demos.append(Demo(tmp_path_factory.mktemp("temporary"), *options))
        return demos[-1]

    yield start
    for each in demos:
        each.output.close()
        end_child(each.process)
        for process in each.left():
            process.kill()


def own(fleet, tmp_path):
    """Options for a demo with this fleet."""
    return "--data", fleet.landings[0].file, "--models", fleet.models, "--out", tmp_path / "out"


@pytest.fixture(scope="module")
def two_at_once(demo, small_fleet, tmp_path_factory):
    """A demo from nothing, and at the same time one that lacks half of its models; and their outputs."""
    folder = tmp_path_factory.mktemp("two")
    models = folder / "models"
    models.mkdir()
    for file in sorted(small_fleet.models.glob("model_1_*.skops")):
        (models / file.name).write_bytes(file.read_bytes())
    data = small_fleet.landings[0].file
    return (
        (demo("--out", folder / "nothing"), folder / "nothing"),
        (demo("--data", data, "--models", models, "--out", folder / "lacking"), folder / "lacking"),
    )


def test_from_nothing_to_predictions_with_one_command(two_at_once):
    (run, out), _ = two_at_once
    assert run.end() == 0, "\n".join(run.lines)
    said = "\n".join(run.lines)
    assert re.search(r"Run blob-[0-9a-f]{32}: 10,\d{3} of 10,\d{3} readings of 15 sensors scored", said)
    assert re.search(r"Run timer-\d{8}-\d{6}.*: 10,\d{3} of 10,\d{3} readings of 15 sensors scored", said)
    assert re.search(r"device +sensor +readings +anomalies", said)
    assert "Everything was scored" in run.lines[-1]
    assert "\x1b" not in said
    assert len(list(out.glob("blob-*/preds_*.csv"))) == 15
    assert list(out.glob("timer-*/_SUCCESS"))
    assert "All 2 runs succeeded" in (out / "index.html").read_text()
    (report,) = out.glob("timer-*/report.html")
    assert "a sweep by the timer at" in report.read_text()
    assert_says_in_order(run.lines, in_the_readme())
    assert columns_by(run.lines) == "['TS', 'Device', 'Sensor', 'Val', 'Prediction', 'Score']"
    assert run.left() == []


def in_the_readme():
    """What the README shows of it."""
    (block,) = re.findall(r"```text\n(Azurite is up.*?)```", (REPO / "README.md").read_text(), re.DOTALL)
    return block.splitlines()


def assert_says_in_order(lines, some):
    """That `some` stand among `lines`, but for names of runs and numbers."""

    def shape(line):
        return re.sub(r"\S*\d\S*", "#", line)

    said = iter([shape(line) for line in lines])
    for line in some:
        assert shape(line) in said, line


def columns_by(lines):
    """What the line on how to read predictions leads to."""
    (code,) = (line.partition("Read them:")[2].strip() for line in lines if line.startswith("Read them:"))
    code = code.replace("; ", "; print(list(") + ".columns))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_real_readings_are_scored_with_the_real_legacy_models(demo, seed, tmp_path):
    run = demo("--data", seed / "sensor_data.csv", "--models", seed / "models", "--out", tmp_path / "out")
    assert run.end() == 0, "\n".join(run.lines)
    said = "\n".join(run.lines)
    assert "17,768 of 17,768 readings of 15 sensors scored" in said
    (folder,) = tmp_path.glob("out/blob-*")
    for expected in sorted((seed / "expected").glob("1_*.csv")):
        with (
            expected.open(encoding="utf-8") as theirs,
            (folder / f"preds_{expected.stem}.csv").open() as ours,
        ):
            labels = [row["Prediction"] for row in csv.DictReader(ours)]
            assert labels == [row["Prediction"] for row in csv.DictReader(theirs)], expected.name


def test_one_that_lacks_models_says_so_and_two_at_once_do_not_meet(two_at_once):
    _, (run, out) = two_at_once
    assert run.end() == 1
    assert "Not everything was scored" in "\n".join(run.lines)
    assert [line for line in run.lines if re.search(r"not scored: run blob-\w+: sensor 2/1: no-model", line)]
    assert len(list(out.glob("blob-*/preds_*.csv"))) == 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--data", "no/such/file.csv"), "error: no no/such/file.csv: DATA should be"),
        (("--models", "models"), "error: MODELS without DATA"),
        (("--data", "README.md", "--models", "no/such/folder"), "error: no folder no/such/folder"),
        (("--out", "README.md/out"), "error: README.md/out cannot be a folder for predictions"),
    ],
    ids=["no data", "models alone", "no models", "a file in the way"],
)
def test_what_cannot_be_is_refused_in_one_line(demo, options, complaint):
    run = demo(*options)
    assert run.end() in {1, 2}
    (line,) = run.lines  # nothing was started that would have to end again
    assert line.startswith(complaint)
    assert run.left() == []


def listening(processes):
    """Addresses on which these processes listen."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            connections = process.net_connections()
            found |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        ("Azurite is up", signal.SIGINT),
        ("Host started", signal.SIGTERM),
        ("running", signal.SIGINT),
        ("running", signal.SIGKILL),
    ],
    ids=["early", "terminated", "while steps run", "killed"],
)
def test_interrupted_at_any_moment_it_leaves_nothing_running(demo, small_fleet, tmp_path, moment, how):
    run = demo(*own(small_fleet, tmp_path))
    run.read_until(moment)
    assert listening(run.left()) <= {"127.0.0.1"}
    run.process.send_signal(how)
    assert run.end() == (-signal.SIGKILL if how is signal.SIGKILL else 130)
    deadline = time.monotonic() + 60
    while left := run.left():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
    assert how is signal.SIGKILL or not list(run.folder.glob("fleet-demo-*"))
