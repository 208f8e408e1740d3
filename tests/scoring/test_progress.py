"""Long work at a terminal of 80 columns, without colour, on a dumb one, and written to a file."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scoring.progress import progress
from tests.terminal import COLUMNS, CONTROL, colours, frames, in_terminal, screen

LEGACY = Path(__file__).parent / "legacy" / "models"

SENSIBLE = {"TERM": "xterm-256color"}
NO_COLOUR = {"TERM": "xterm-256color", "NO_COLOR": "1"}
DUMB = {"TERM": "dumb"}

type Command = Callable[[str], list[str]]


def usual() -> dict[str, str]:
    return {
        name: text
        for name, text in os.environ.items()
        if name not in {"TERM", "NO_COLOR", "COLUMNS", "LINES"}
    }


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Commands that show progress, on little work."""
    folder = tmp_path_factory.mktemp("work")
    arguments: dict[str, list[str | Path]] = {
        "simulate": [
            "--devices",
            "2",
            "--sensors",
            "2",
            "--readings",
            "800",
            "--out",
            folder / "readings.csv",
        ],
        "import-models": [folder / "legacy", folder / "imported"],
    }
    (folder / "legacy").mkdir()
    source = next(path for path in sorted(LEGACY.rglob("*")) if path.is_file() and path.suffix != ".md")
    (folder / "legacy" / "model_1_1").write_bytes(source.read_bytes())
    return lambda name: [sys.executable, "-m", "scoring", name, *map(str, arguments[name])]


DONE = {"simulate": "simulating", "import-models": "importing"}


@pytest.mark.parametrize("name", DONE)
def test_a_terminal_shows_a_bar_that_fits(command: Command, name: str) -> None:
    _, written = in_terminal(command(name), usual() | SENSIBLE)
    bars = [line for line in frames(written) if line.startswith(DONE[name])]
    assert bars
    assert {len(line) for line in bars} == {COLUMNS}
    last = next(line for line in screen(written) if line.startswith(DONE[name]))
    assert re.fullmatch(rf"{DONE[name]} ━+ ([\d,]+) of \1 (readings|models?) 0:00:\d\d", last)
    assert colours(written)


def test_without_colour_there_is_still_a_bar(command: Command) -> None:
    _, written = in_terminal(command("simulate"), usual() | NO_COLOUR)
    assert not colours(written)
    assert any(re.match("simulating ━+ ", line) for line in screen(written))


def test_a_dumb_terminal_and_a_file_get_plain_lines(command: Command) -> None:
    _, on_dumb = in_terminal(command("simulate"), usual() | DUMB)
    in_file = subprocess.run(
        command("simulate"),
        env=usual() | SENSIBLE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    for written in (on_dumb, in_file):
        assert not CONTROL.search(written)
        assert "━" not in written
        assert re.search(r"^simulating: ([\d,]+) of \1 \w+ done\r?$", written, re.MULTILINE)
    assert "\r" not in in_file
    assert on_dumb.replace("\r\n", "\n").splitlines() == in_file.splitlines()


@pytest.mark.parametrize(("total", "unit"), [(1, "file"), (2, "files")])
def test_one_piece_of_work_is_a_singular(capsys: pytest.CaptureFixture[str], total: int, unit: str) -> None:
    with progress("inspecting", total, "files") as advance:
        advance(total)
    assert capsys.readouterr().err.splitlines() == [
        f"inspecting: {total} {unit} ...",
        f"inspecting: {total} of {total} {unit} done",
    ]
