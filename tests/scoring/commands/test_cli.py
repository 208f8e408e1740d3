import contextlib
import io
import shlex
from pathlib import Path

import pytest

from scoring.cli import COMMANDS, main


def help_of(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    return capsys.readouterr().out


def examples(text):
    return [shlex.split(line)[3:] for line in text.splitlines() if line.startswith("  python -m scoring ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself_and_its_exit_codes(command, capsys):
    text = help_of(command, capsys)
    assert any(example[0] == command for example in examples(text))
    assert "Exit codes: 0 " in text


@pytest.mark.parametrize("argv", [[], ["nonsense"], *([command, "--nonsense"] for command in COMMANDS)])
def test_wrong_use_is_told_in_one_line(argv, capsys):
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "--help" in said


@pytest.mark.parametrize("command", ["simulate", "train", "aggregate"])
def test_the_examples_work_as_they_stand(command, capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = examples(help_of(command, capsys))
    assert [main(line) for line in lines] == [0] * len(lines)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_path_that_standard_output_cannot_show_is_told_all_the_same(encoding, tmp_path: Path):
    out = tmp_path / "\u00e9\udcff.csv"
    words = ["simulate", "--devices", "1", "--sensors", "1", "--readings", "1", "--out", str(out)]
    written = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(written, encoding)) as stdout:
        assert main(words) == 0
        stdout.flush()
    assert out.exists()
    assert rb"\udcff.csv" in written.getvalue()
