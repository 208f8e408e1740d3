"""requirements.txt is enough for the app with the local engine, as `func start` runs it, and nothing besides.

What is deployed to Azure is smaller: see test_deployed_app.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
PACKAGES = ("pipeline", "scoring")
TRAINING = ("sklearn", "skops")
"""What only `train` needs: it is not deployed."""
NOTEBOOKS = ("pandas",)
"""What only `scoring.frames` and `scoring.frame_readings` need."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("deployment")]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory) -> Path:
    """The deployed files, and `site` with every package in requirements.txt."""
    folder: Path = tmp_path_factory.mktemp("deployed")
    shutil.copy(REPO / "function_app.py", folder)
    for package in PACKAGES:
        shutil.copytree(REPO / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    pins = re.findall(r"^([\w.-]+)==", (REPO / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    for name in pins:
        for file in distribution(name).files or []:
            if not {"..", "__pycache__"} & {*file.parts}:  # scripts are outside site-packages
                link_to(Path(str(file.locate())), folder / "site" / file)
    return folder


def link_to(file: Path, link: Path) -> None:
    if not link.parent.exists():
        link.parent.mkdir(parents=True)
        if (compiled := file.parent / "__pycache__").exists():  # compiling azure.ai.ml takes half a minute
            (link.parent / compiled.name).symlink_to(compiled)
    link.symlink_to(file)


def python(deployed: Path, *arguments: str) -> str:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))},
        "PYTHONPATH": str(deployed / "site"),
        "ScoringStorage": "UseDevelopmentStorage=true",
    }
    done = subprocess.run(
        [sys.executable, "-S", *arguments],  # -S hides this interpreter's site-packages
        cwd=deployed,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_deployed_app_has_its_functions(deployed):
    code = (
        "import function_app; print(sorted(f.get_function_name() for f in function_app.app.get_functions()))"
    )
    assert python(deployed, "-c", code).strip() == (
        "['conclude_on_success', 'score_on_blob', 'score_on_timer']"
    )


def test_every_import_succeeds_including_those_inside_functions(deployed):
    names = {name for path in [REPO / "function_app.py", *sources()] for name in imported(path)}
    assert {"azure.ai.ml", "skops.io"} <= names  # which are imported inside functions
    left_out = {*TRAINING, *NOTEBOOKS}
    names = {
        name for name in names if name.split(".")[0] not in left_out and not name.startswith("scoring.frame")
    }
    python(deployed, "-c", f"import importlib\nfor name in {sorted(names)}: importlib.import_module(name)")


@pytest.mark.parametrize("name", ["pytest", "azure_functions_runtime", *TRAINING])
def test_what_is_only_for_development_or_training_is_not_there(deployed, name):
    assert (
        python(deployed, "-c", f"import importlib.util as u; print(u.find_spec({name!r}))").strip() == "None"
    )


def test_a_fleet_is_simulated_scored_and_shown(deployed):
    size = ("--devices", "1", "--sensors", "2", "--readings", "200")
    data, models, preds = ("--data", "readings.csv"), ("--models", "models"), ("--out", "preds")
    python(deployed, "-m", "scoring", "simulate", *size, "--out", "readings.csv")
    train = [sys.executable, "-m", "scoring", "train", *data, *models]
    subprocess.run(train, cwd=deployed, env=os.environ | {"PYTHONPATH": ""}, check=True, capture_output=True)
    output = python(deployed, "-m", "scoring", "score", *data, *models, *preds)
    assert "readings of 2 sensors" in output
    python(deployed, "-m", "scoring", "report", "--preds", "preds")
    assert (deployed / "preds" / "report.html").stat().st_size > 0


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (REPO / package).rglob("*.py")]


def imported(path: Path) -> set[str]:
    """Modules that a file imports, at any level."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_training_says_what_it_needs_where_it_is_not_installed(deployed):
    done = subprocess.run(
        [sys.executable, "-S", "-m", "scoring", "train", "--data", "readings.csv", "--models", "models"],
        cwd=deployed,
        env={"PYTHONPATH": str(deployed / "site"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"error: training needs scikit-learn and skops, which {sys.executable} does not"
    )
    assert done.stderr.endswith("pip install '.[scoring,train]'\n")
    assert done.stderr.count("\n") == 1
