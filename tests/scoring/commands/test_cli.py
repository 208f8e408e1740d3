import contextlib
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.cli import COMMANDS, main

ROOT = Path(__file__).parents[3]


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
def test_a_usage_error_is_reported_in_one_line(argv, capsys):
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "--help" in error


@pytest.mark.parametrize("command", ["simulate", "train", "aggregate"])
def test_the_examples_work_unchanged(command, capsys, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = examples(help_of(command, capsys))
    assert [main(line) for line in lines] == [0] * len(lines)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_path_that_standard_output_cannot_encode_is_escaped(encoding, tmp_path: Path):
    out = tmp_path / "\u00e9\udcff.csv"
    words = ["simulate", "--devices", "1", "--sensors", "1", "--readings", "1", "--out", str(out)]
    written = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(written, encoding)) as stdout:
        assert main(words) == 0
        stdout.flush()
    assert out.exists()
    assert rb"\udcff.csv" in written.getvalue()


def test_a_step_imports_nothing_that_only_reports_and_documents_need(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "r.csv").write_text("TS,Device,Sensor,Value\n2026-01-01,1,1,5\n")
    script = (
        "import sys; from scoring.cli import main; code = main(sys.argv[1:]);"
        "print(code, *({'jinja2', 'msgspec', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    words = ["score", "--data", "r.csv", "--models", "models", "--out", "out", "--shard", "0/1", "--json"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0", "each of them takes longer than a short step"
