"""Fixtures that all tests share."""

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

# A machine that is busy is no failure: time is judged in bench/ only.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

# A shell that runs this in the background has it ignore Ctrl-C, and all that it starts with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
OURS = ("SCORING_", "ScoringStorage", "AZURE_", "AZUREML_")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a test now and then waits for others to notice something."""
    return (os.process_cpu_count() or 1) + 1


gc.disable()  # while tests are collected: what is imported stays


def pytest_collection_finish():
    """Nor need it be looked through for cycles in each test."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No test sees the settings of the machine that it runs on."""
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)


@pytest.fixture
def measured(monkeypatch):
    """What processes of a test do counts as covered, where that is measured; it costs each some time."""
    if Coverage.current() is not None:
        monkeypatch.setenv("COVERAGE_PROCESS_START", str(ROOT / "pyproject.toml"))
        monkeypatch.setenv("COVERAGE_FILE", str(ROOT / ".coverage"))


@pytest.fixture(scope="session")
def seed() -> Path:
    """The folder of real readings, models and expected answers, from FLEET_SEED or beside the repository."""
    beside = ROOT.parent / "shared" / "seed"
    folder = Path(os.environ.get("FLEET_SEED", beside))
    if not (folder / "sensor_data.csv").is_file():
        pytest.skip(f"no seed data in {folder}: set FLEET_SEED")
    return folder


@pytest.fixture(scope="session")
def azurite():
    """A storage server for all tests of one process."""
    with Azurite() as azurite:
        yield azurite


def new_environment(azurite: Azurite) -> dict[str, str]:
    """Environment variables that lead to the storage server, and to four containers that nobody else uses."""
    own = uuid.uuid4().hex[:12]
    return {
        "ScoringStorage": azurite.connection_string,
        **{
            f"SCORING_{what.upper()}_CONTAINER": f"{what}-{own}"
            for what in ("data", "models", "preds", "runs")
        },
    }


@pytest.fixture
def environment(azurite) -> dict[str, str]:
    """Variables that lead to containers of the test's own."""
    return new_environment(azurite)


@pytest.fixture
def settings(environment) -> Settings:
    """The settings in `environment`."""
    return Settings.from_environment(environment)


@pytest.fixture
def store(settings):
    """The four containers, which are there and empty."""
    store = Store.connect(settings)
    for container in (store.data, store.models, store.preds, store.runs):
        container.ensure()
    yield store
    store.close()


@pytest.fixture(scope="session")
def emulated_workspace(azurite):
    """An Azure ML workspace on this machine, for all tests of one process."""
    from dev.azureml.server import Emulator

    with Emulator(azurite.connection_string) as emulator:
        yield emulator


@pytest.fixture
def emulator(emulated_workspace, monkeypatch):
    """That workspace, which this process takes for one in Azure: nothing in it but published pipelines."""
    for name, text in emulated_workspace.environment.items():
        monkeypatch.setenv(name, text)
    emulated_workspace.reset()
    return emulated_workspace


@pytest.fixture
def azureml_settings(environment, emulator) -> Settings:
    """The settings in `environment`, with that workspace as the engine."""
    own = {"SCORING_ENGINE": "azureml", "AZUREML_COMPUTE": "cpu-cluster"}
    return Settings.from_environment(environment | emulator.environment | own)
