"""What Azure gets: an allow-list that runs alone, with its triggers, through Microsoft's worker."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.engines.azureml.engine import AzureMLEngine
from pipeline.flow.context import Context
from pipeline.flow.submit import to_landing
from pipeline.published.publish import publish
from pipeline.runs.names import blob_run
from pipeline.runs.record import RunState
from scoring.formats import FLEET_HTML, INDEX_HTML, SUCCESS
from tests.pipeline import small_fleet
from tests.pipeline.conftest import until

REPO = Path(__file__).parents[1]
ASSEMBLE = REPO / "infra" / "assemble.py"
HEAVY = ("numpy", "pandas", "pyarrow", "scipy", "sklearn", "skops")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("azureml")]

DRIVER = """
import asyncio, importlib.util, json, sys
from pathlib import Path

sys.executable = sys.argv.pop(1)  # the worker's process gets its packages as on the platform
from dev.host.worker import Input, Worker

async def main(calls):
    worker = Worker(Path.cwd(), None)
    functions = {function.name: function for function in await worker.start()}
    outcomes = {}
    for name, blob in calls.items():
        given = (
            Input.blob("blob", "ScoringStorage", *blob)
            if blob
            else Input.timer("timer", {"Schedule": {}, "ScheduleStatus": {}, "IsPastDue": False})
        )
        outcomes[name] = await worker.invoke(functions[name], given, reason="test")
    await worker.stop(kill=False)
    sys.path.insert(0, str(Path.cwd()))
    import pipeline, scoring
    print(json.dumps({
        "functions": sorted(functions),
        "errors": {name: outcome.error for name, outcome in outcomes.items()},
        "code": [str(Path(package.__file__).parents[1]) for package in (pipeline, scoring)],
        "heavy": [name for name in sys.argv[2:] if importlib.util.find_spec(name)],
    }))

asyncio.run(main(json.loads(sys.argv[1])))
"""


def assembled(folder: Path) -> Path:
    app = folder / "app"
    subprocess.run([sys.executable, ASSEMBLE, app], check=True, capture_output=True)
    return app


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Path:
    """The app as it is deployed."""
    return assembled(tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def python() -> Path:
    """An environment with what the app requires and Microsoft's worker; kept between runs."""
    place = REPO / ".venv" / "deployed"
    lock = (REPO / "requirements-app.txt").read_text(encoding="utf-8")
    dev = (REPO / "requirements-dev.txt").read_text(encoding="utf-8")
    found = re.search(r"^azure-functions-runtime==.*?(?=^\S)", dev, re.MULTILINE | re.DOTALL)
    assert found
    known, interpreter = place / "lock", place / "bin" / "python"
    if not known.is_file() or known.read_text(encoding="utf-8") != lock + found[0]:
        shutil.rmtree(place, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [
            str(interpreter),
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "--require-hashes",
        ]
        worker = place / "worker.txt"
        worker.write_text(found[0], encoding="utf-8")
        done = subprocess.run(
            [*pip, "-r", str(REPO / "requirements-app.txt")], check=False, capture_output=True, text=True
        )
        if done.returncode and "No matching distribution found" in done.stderr:
            pytest.skip(f"no registry to install requirements-app.txt from: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
        subprocess.run([*pip, "--no-deps", "-r", str(worker)], check=True, capture_output=True)
        known.write_text(lock + found[0], encoding="utf-8")
    return interpreter


def platform_python(python: Path, folder: Path) -> Path:
    """An interpreter with the packages of `python` on its path as on the platform: not by its environment."""
    (packages,) = python.parents[1].glob("lib/python3*/site-packages")
    script = (
        f"import runpy, sys; sys.path.append({str(packages)!r}); sys.argv = sys.argv[2:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    wrapper = folder / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {python.resolve()} -c "{script}" "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    return wrapper


def call(app: Path, python: Path, platform: Path, settings: dict[str, str], **calls: list[str] | None):
    """Call functions of the app through the worker, each with its blob or as a timer; what came of it."""
    shutil.copytree(REPO / "dev" / "host", platform / "dev" / "host", dirs_exist_ok=True)
    shutil.copy(REPO / "dev" / "__init__.py", platform / "dev")
    own = ("SCORING_", "ScoringStorage", "AZURE", "PYTHON", "COVERAGE", "VIRTUAL_ENV")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(
        [python, "-c", DRIVER, platform_python(python, platform), json.dumps(calls), *HEAVY],
        cwd=app,
        env={**inherited, **settings, "PYTHONPATH": str(platform), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def app_settings(environment, emulator) -> dict[str, str]:
    """The app settings that lead to the containers and the emulated workspace."""
    engine = {"SCORING_ENGINE": "azureml", "AZUREML_COMPUTE": "cpu-cluster"}
    return {**environment, **emulator.environment, **engine}


@pytest.fixture
def context(azureml_settings, store, emulator):
    """The published pipeline of a small fleet in the emulated workspace."""
    emulator.workspace.forget(("components", "codes"))  # those of other tests can be of stand-ins for steps
    for name, content in small_fleet.models().items():
        store.models.put(name, content)
    context = Context.open(azureml_settings)
    AzureMLEngine(azureml_settings, context.store, context.runs).set_up()
    publish(store, azureml_settings, context.engine)
    yield context
    context.store.close()


def test_it_runs_alone_with_its_triggers(app, python, context, app_settings, tmp_path):
    store = context.store
    store.data.put("a.csv", small_fleet.readings())
    run = blob_run(context.runs.key(to_landing(store.data.find("a.csv"))))
    arrived = [store.data.name, "a.csv"]
    result = call(app, python, tmp_path, app_settings, score_on_blob=arrived, score_on_timer=None)
    assert result["functions"] == ["conclude_on_success", "score_on_blob", "score_on_timer"]
    assert result["errors"] == {"score_on_blob": "", "score_on_timer": ""}
    assert result["code"] == [str(app), str(app)]
    assert result["heavy"] == []
    until(lambda: context.engine.status(context.runs.load(run)).state.final)
    assert not context.runs.load(run).state.final
    ended = [store.preds.name, f"{run}/{SUCCESS}"]
    result = call(app, python, tmp_path, app_settings, conclude_on_success=ended)
    assert result["errors"] == {"conclude_on_success": ""}
    record = context.runs.load(run)
    assert record.state is RunState.SUCCEEDED, record.error
    assert run in store.preds.read(INDEX_HTML).data.decode()
    assert run in store.preds.read(FLEET_HTML).data.decode()


def test_readings_models_and_predictions_that_lie_in_the_folder_do_not_travel(tmp_path, monkeypatch):
    project = tmp_path / "project"
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git is in use here
        cwd=REPO,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if name.startswith(("pipeline/", "scoring/", "infra/")) or "/" not in name:
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPO / name, project / name)
    for left in (
        "readings.csv",
        "models/model_1_3.skops",
        "scoring/preds_1_3.csv",
        "pipeline/local.parquet",
        ".env",
    ):
        (project / left).parent.mkdir(exist_ok=True)
        (project / left).write_text("private")
    target = tmp_path / "app"
    subprocess.run(
        [sys.executable, project / "infra" / "assemble.py", target], check=True, capture_output=True
    )
    files = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert not [name for name in files if (target / name).read_text() == "private"]
    assert {name.partition("/")[0] for name in files} == {
        "function_app.py",
        "host.json",
        "requirements.txt",
        "pipeline",
        "scoring",
    }


def test_a_folder_of_something_else_is_not_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    done = subprocess.run([sys.executable, ASSEMBLE, tmp_path], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "not a folder that this command wrote" in done.stderr
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_azd_and_the_documented_route_deploy_what_one_command_assembles():
    service = yaml.safe_load((REPO / "azure.yaml").read_text(encoding="utf-8"))["services"]["app"]
    assert service["dist"] == "out/app"
    assert service["hooks"]["prepackage"]["posix"]["run"] == "make app"
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    assert "$(PY) infra/assemble.py out/app --zip out/app.zip" in makefile
    docs = (REPO / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "$ make app" in docs
    assert "--src out/app.zip" in docs
    assert (REPO / ".funcignore").read_text(encoding="utf-8").split()[0] == "/*"


def test_its_requirements_are_those_of_the_project_less_the_numerics():
    def pins(name: str) -> set[str]:
        return set(
            re.findall(r"^[\w.-]+==[^\s;\\]+", (REPO / name).read_text(encoding="utf-8"), re.MULTILINE)
        )

    assert pins("requirements-app.txt") < pins("requirements.txt")
    numerics = {"numpy", "pandas", "pyarrow", "scipy", "scikit-learn", "skops"}
    assert not {pin.partition("==")[0] for pin in pins("requirements-app.txt")} & numerics
