"""Fixtures for all tests."""

import gc
import os
import signal
import uuid
from pathlib import Path

import pytest
from coverage import Coverage
from hypothesis import settings as hypothesis_settings

from dev.azurite import Azurite
from pipeline.settings import Settings
from pipeline.storage.account import Store

# A busy machine must not fail a test: only bench/ measures time.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

# A shell makes background processes and their children ignore SIGINT; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
PROJECT_VARIABLES = ("SCORING_", "ScoringStorage", "AZURE_", "AZUREML_")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, because tests often wait for other processes."""
    return (os.process_cpu_count() or 1) + 1


gc.disable()  # during collection: imported modules are never garbage


def pytest_collection_finish():
    """Exclude imported modules from garbage collection during the tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """Hide the machine's own settings from every test."""
    for name in os.environ:
        if name.startswith(PROJECT_VARIABLES):
            monkeypatch.delenv(name)


@pytest.fixture
def measured(monkeypatch):
    """Measure the coverage of child processes too, if coverage is on; this slows down each of them."""
    if Coverage.current() is not None:
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(ROOT / "pyproject.toml"))
        monkeypatch.setenv("COVERAGE_FILE", str(ROOT / ".coverage"))
        path = [str(ROOT / "tests" / "measured_worker"), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


@pytest.fixture(scope="session")
def seed() -> Path:
    """The folder of real readings, models and expected predictions: FLEET_SEED, or next to the repository."""
    default = ROOT.parent / "shared" / "seed"
    folder = Path(os.environ.get("FLEET_SEED", default))
    if not (folder / "sensor_data.csv").is_file():
        pytest.skip(f"no seed data in {folder}: set FLEET_SEED to its folder")
    return folder


@pytest.fixture(scope="session")
def azurite():
    """A storage server, shared by all tests of one process."""
    with Azurite() as azurite:
        yield azurite


def new_environment(azurite: Azurite) -> dict[str, str]:
    """Environment variables for the storage server and four unique container names."""
    own = uuid.uuid4().hex[:12]
    return {
        "ScoringStorage": azurite.connection_string,
        **{
            f"SCORING_{name.upper()}_CONTAINER": f"{name}-{own}"
            for name in ("data", "models", "preds", "runs")
        },
    }


@pytest.fixture
def environment(azurite) -> dict[str, str]:
    """Environment variables for the test's own containers."""
    return new_environment(azurite)


@pytest.fixture
def settings(environment) -> Settings:
    """The settings in `environment`."""
    return Settings.from_environment(environment)


@pytest.fixture
def store(settings):
    """The four containers, created and empty."""
    store = Store.connect(settings)
    for container in (store.data, store.models, store.preds, store.runs):
        container.ensure()
    yield store
    store.close()


@pytest.fixture(scope="session")
def emulated_workspace(azurite):
    """An emulated Azure ML workspace, shared by all tests of one process."""
    from dev.azureml.server import Emulator

    with Emulator(azurite.connection_string) as emulator:
        yield emulator


@pytest.fixture
def emulator(emulated_workspace, monkeypatch):
    """The emulated workspace, reset to its published pipelines; this process takes it for one in Azure."""
    for name, text in emulated_workspace.environment.items():
        monkeypatch.setenv(name, text)
    emulated_workspace.reset()
    return emulated_workspace


@pytest.fixture
def azureml_settings(environment, emulator) -> Settings:
    """The settings in `environment`, with the emulated workspace as the engine."""
    own = {"SCORING_ENGINE": "azureml", "AZUREML_COMPUTE": "cpu-cluster"}
    return Settings.from_environment(environment | emulator.environment | own)
