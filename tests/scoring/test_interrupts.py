"""Ctrl-C while a command starts: it ends with 130, and shows a word at most."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = {"", "error: interrupted", "interrupted: stopping everything that was started"}


def command(line: str) -> list[str]:
    return [sys.executable, "-X", "importtime", *line.split()]


def interrupt(line: str, module: str, folder: Path) -> tuple[int, str]:
    """Interrupt a command when it has imported a module; its exit code, and what it writes to stderr."""
    code, written = interrupt_at(command(line), folder, lambda text: text.split()[-1:] == [module])
    return code, "".join(text for text in written if not text.startswith("import time:"))


def interrupt_at(
    words: list[str], folder: Path, is_moment: Callable[[str], bool], seconds: float = 0.0
) -> tuple[int, list[str]]:
    """Interrupt a command and its processes, as a terminal does, some time after a line of its stderr."""
    with subprocess.Popen(
        words,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr
        written = []
        for text in process.stderr:
            written.append(text)
            if is_moment(text):
                break
        else:
            pytest.fail("it ended before that")
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGINT)
        written += process.stderr
        return process.wait(), written


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("-m scoring score --data a.csv --models m --out out", "scoring.errors"),
        ("-m scoring score --data a.csv --models m --out out", "argparse"),
        ("-m scoring score --data a.csv --models m --out out", "scoring.command_line"),
        ("-m scoring score --data a.csv --models m --out out", "scoring.commands.limits"),
        ("-m scoring score --data a.csv --models m --out out", "scoring.models.store"),
        ("-m scoring inspect a.csv", "scoring.commands.mapping"),
        ("-m pipeline runs", "logging"),
        ("-m pipeline runs", "pipeline.cli"),
        ("-m pipeline runs", "pipeline.settings"),
        ("-m dev.demo", "tempfile"),
        ("-m dev.demo", "pipeline.conclude"),
        ("-m dev.demo", "dev.demo.command"),
        ("-m dev.start", "http.client"),
        ("-m dev.start", "dev.azurite"),
        ("-m dev.start", "pipeline.conclude"),
        ("-m dev.host", "asyncio"),
        ("-m dev.host", "dev.host.app"),
    ],
)
def test_a_command_that_is_interrupted_while_it_imports_ends_with_130_and_no_traceback(
    tmp_path: Path, line: str, module: str
) -> None:
    code, written = interrupt(line, module, tmp_path)
    assert (code, written.strip() in WORDS) == (130, True), written


def test_a_command_in_the_background_is_not_interrupted(tmp_path: Path) -> None:
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code, written = interrupt("-m scoring --help", "argparse", tmp_path)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert (code, written) == (0, "")


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.4])
def test_processes_that_train_show_nothing_when_they_are_interrupted(tmp_path: Path, seconds: float) -> None:
    readings = [f"2026-01-01 00:00:{n:02},1,{sensor},{n % 7}\n" for sensor in range(640) for n in range(60)]
    (tmp_path / "a.csv").write_text("TS,Device,Sensor,Value\n" + "".join(readings))
    words = [sys.executable, "-m", "scoring", "train", "--jobs", "2", "--data", "a.csv", "--models", "m"]
    code, written = interrupt_at(words, tmp_path, lambda text: text.startswith("training:"), seconds)
    assert (code, written[-1].rstrip()) == (130, "error: interrupted")
    assert not [text for text in written if text.startswith(("Traceback", "KeyboardInterrupt"))]


def test_the_package_imports_next_to_nothing() -> None:
    code = "import sys; old = {*sys.modules}; import scoring; print(*{*sys.modules} - old)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "typing" not in done.stdout.split()
    assert "scoring.keys" not in done.stdout.split()
