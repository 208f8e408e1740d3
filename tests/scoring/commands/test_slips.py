"""Slips of people who try the commands for the first time: one line says what to do, before any harm."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.cli import _explain, main
from tests.pipeline import small_fleet
from tests.scoring.run_command import scoring

ROOT = Path(__file__).parents[3]
HEADER = "TS,Device,Sensor,Value\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with readings, their models, and folders of other things."""
    monkeypatch.chdir(tmp_path)
    for folder in ("good", "stray", "legacy", "misnamed", "empty"):
        (tmp_path / folder).mkdir()
    for name, content in small_fleet.models().items():
        for folder in ("good", "stray"):
            (tmp_path / folder / name).write_bytes(content)
        (tmp_path / "misnamed" / name.replace("model_", "model_pump_")).write_bytes(content)
    for number in range(15):
        (tmp_path / "legacy" / f"model_1_{number}.pkl").write_bytes(pickle.dumps([number]))
    (tmp_path / "stray" / "README.md").write_text("# Models")
    (tmp_path / "stray" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "readings.csv").write_bytes(small_fleet.readings())
    (tmp_path / "header.csv").write_text(HEADER)
    (tmp_path / "words.csv").write_text(HEADER + "2026-01-01,1,1,warm\n")
    constant = "".join(f"2026-01-01 00:{row // 60:02}:{row % 60:02},1,1,7\n" for row in range(100))
    (tmp_path / "constant.csv").write_text(HEADER + constant)
    return tmp_path


LEGACY = (
    "error: there are no models in legacy: 15 legacy pickles (model_1_0.pkl, model_1_1.pkl, model_1_10.pkl "
    "and 12 more): run python -m scoring import-models legacy NEW, and use the models in NEW\n"
)


MISNAMED = (
    "error: there are no models in misnamed: not used, 'model_pump_1_1.skops' is not the name of a model: "
    "'pump_1_1' is not an encoded sensor key such as '1_3': an underscore inside Device or Sensor is "
    "written %5F, as in 'pump_1%5F1' or 'pump%5F1_1' (3 such names)\n"
)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("score --data readings.csv --models legacy --out out", LEGACY),
        ("pack --models legacy", LEGACY),
        (
            "score --data readings.csv --models misnamed --out out",
            MISNAMED,
        ),
        (
            "score --data readings.csv --models empty --out out",
            "error: there are no models in empty: expected files such as model_1_3.skops: train some first\n",
        ),
        (
            "import-models good new",
            "error: good has .skops models already: there is nothing to import\n",
        ),
    ],
    ids=lambda value: value.split(" --out")[0] if not value.startswith("error") else "",
)
def test_a_wrong_folder_is_refused_before_anything_is_written(here, words, complaint):
    before = sorted(path.name for path in here.rglob("*"))
    done = scoring(*words.split())
    assert (done.code, done.out, done.err) == (2, "", complaint)
    assert sorted(path.name for path in here.rglob("*")) == before


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ("header.csv", "there are no readings in header.csv, it has no rows; see --help for their format"),
        ("words.csv", "there are no readings in words.csv, all of its rows (1) are rejected; see --help"),
        ("constant.csv", "sensor 1/1 had to be skipped: all 100 readings are 7 or nearly so"),
        (
            "readings.csv",
            "sensor 1/1 and 2 others had to be skipped: 40 readings, fewer than 50 (min-readings)",
        ),
    ],
)
@pytest.mark.usefixtures("here")
def test_training_on_nothing_says_why_no_model_was_trained(data, complaint):
    done = scoring("train", "--data", data, "--models", "new")
    assert done.code == 1
    assert f"error: no model was trained: {complaint}" in done.err.splitlines()[-1]


def test_a_folder_without_files_is_refused_before_anything_is_written(here):
    done = scoring("score", "--data", "empty", "--models", "good", "--out", "out")
    assert (done.code, done.out, done.err) == (
        1,
        "",
        "error: --data empty: there is no file in this folder\n",
    )
    assert not (here / "out").exists()


@pytest.mark.usefixtures("here")
def test_a_stray_file_among_models_is_named_and_changes_nothing():
    done = scoring("score", "--data", "readings.csv", "--models", "stray", "--out", "out")
    assert (done.code, done.err) == (0, "ignored, not models: README.md\n")


def test_a_stray_file_among_legacy_models_is_not_refused(here):
    (here / "legacy" / "README.md").write_text("# Models")
    done = scoring("import-models", "legacy", "new")
    assert "refused 'README.md'" not in done.err
    assert "ignored, not models: README.md\n" in done.err


def test_a_legacy_model_whose_device_has_an_underscore_is_imported_with_5f(here, seed):
    content = (seed / "models" / "model_1_1").read_bytes()
    (here / "old").mkdir()
    (here / "old" / "model_pump_1_temp.pkl").write_bytes(content)
    done = scoring("import-models", "old", "new")
    assert "an underscore inside either is written %5F, as in model_pump%5F1_temp" in done.err
    (here / "old" / "model_pump_1_temp.pkl").rename(here / "old" / "model_pump%5F1_temp.pkl")
    assert scoring("import-models", "old", "new").code == 0
    assert [path.name for path in (here / "new").iterdir()] == ["model_pump%5F1_temp.skops"]


@pytest.mark.usefixtures("here")
def test_a_key_that_matches_nothing_is_reported():
    done = scoring("score", "--data", "readings.csv", "--models", "good", "--out", "out", "--key", "7_7")
    assert done.code == 0, "a step of a sensor that sent nothing is not a failure"
    assert done.err == (
        "--key 7_7: there are no readings and no model of it; models, nearest first: 2_1, 1_2, 1_1\n"
    )
    done = scoring("score", "--data", "header.csv", "--models", "good", "--out", "out", "--key", "1_1")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("package", ["scoring", "pipeline"])
@pytest.mark.parametrize("is_command", [True, False], ids=["a command", "an import"])
def test_an_older_python_is_named_with_what_to_do(package, is_command):
    """Why: the interpreters of tests are new enough, so this one says that it is older."""
    first = "-m" if is_command else "notebook.py"
    older = f"sys.version_info, sys.version, sys.argv = (3, 12, 1), '3.12.1', ['{first}']"
    code = f"import sys; {older}; import {package}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    kind = "error" if is_command else "ImportError"
    assert line == (
        f"{kind}: Python 3.13 or newer is needed, and {sys.executable} is 3.12.1: "
        "run make setup in the folder of the project, and use .venv/bin/python"
    )
    assert ("Traceback" in done.stderr) is not is_command


@pytest.mark.parametrize(
    "words",
    [
        "scoring score --data readings.csv --models good --out out",
        "scoring train --data readings.csv --models new",
        "scoring simulate --out x.csv",
        "pipeline runs",
        "pipeline upload readings.csv",
    ],
)
def test_an_interpreter_without_the_packages_is_named_with_what_to_do(here, words):
    """Why: -S leaves out what is installed, as an interpreter outside of .venv does."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "ScoringStorage": "UseDevelopmentStorage=true"}
    done = subprocess.run(
        [sys.executable, "-S", "-m", *words.split()],
        cwd=here,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert " is not installed" in line or "training needs" in line
    assert "make setup" in line
    assert ".venv/bin/python" in line
    assert "pip install '.[" in line


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("fleet nothing --to f.html", "argument STATE: nothing: there is no such file; see "),
        ("report --preds empty --facts nothing", "argument --facts: nothing: there is no such file; see "),
    ],
)
def test_a_file_that_is_not_there_is_a_usage_error(here, capsys, line, error):
    with pytest.raises(SystemExit, match="2"):
        main(line.split())
    assert capsys.readouterr().err.startswith(f"error: {error}")


def test_an_error_of_the_operating_system_names_the_file_first():
    explained = _explain(FileNotFoundError(2, "No such file or directory", "gone.csv"))
    assert explained == ("gone.csv: No such file or directory", 75)


def test_a_folder_without_results_is_named_as_such(here):
    done = scoring("report", "--preds", "good")
    assert done.code == 1
    assert done.err == (
        "error: good holds no summary.json: name the folder that `score` or `collect` has written to\n"
    )
