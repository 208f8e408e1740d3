"""What a machine fetches of a fleet's models: with a pack that, and each model that it does not have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from azure.storage.blob import ContentSettings
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM

from pipeline.engines.local.models import FetchedModels, fetch_models
from pipeline.runs.record import RunState
from pipeline.settings import Settings
from pipeline.step_environment import ROOT
from pipeline.storage.account import Store
from scoring import SensorKey
from scoring.formats import EXPECTED_TXT, PACK_NAME
from scoring.models.files import LoadedModel, model_from
from scoring.models.pack_writer import write_pack
from scoring.models.store import ModelStore
from scoring.models.write import model_bytes
from tests.pipeline.counting import CountingTransport, InterruptingTransport

KEYS = [SensorKey("1", str(sensor)) for sensor in range(1, 6)]
FIRST, SECOND = (key.model_name for key in KEYS[:2])
PROBE = np.linspace(0.0, 100.0, 50)


def model(mean: float) -> bytes:
    readings = np.random.default_rng(0).normal(mean, 10, (50, 1))
    return model_bytes(make_pipeline(StandardScaler(), OneClassSVM(nu=0.1, gamma=0.3)).fit(readings))


@pytest.fixture(scope="module")
def packed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for number, key in enumerate(KEYS):
        (folder / key.model_name).write_bytes(model(30 + 10 * number))
    write_pack(folder)
    return folder


@pytest.fixture
def folder(packed_once: Path, tmp_path: Path) -> Path:
    """A folder of models with their pack."""
    made = tmp_path / "uploaded"
    made.mkdir()
    for path in packed_once.iterdir():
        (made / path.name).write_bytes(path.read_bytes())
    return made


@pytest.fixture
def uploaded(folder: Path, store: Store) -> Path:
    for path in folder.iterdir():
        store.models.upload(path.name, path)
    return folder


class Machine:
    """A machine that fetches models for one run after the other."""

    def __init__(self, store: Store, place: Path) -> None:
        self.store, self.place, self.runs = store, place, 0

    def fetch(self) -> tuple[Path, FetchedModels]:
        """The folder of models of a run, and what it holds."""
        self.runs += 1
        models = self.place / str(self.runs) / "models"
        models.mkdir(parents=True)
        return models, fetch_models(self.store, self.place / "cache", models, ROOT)

    def answers(self) -> dict[str, tuple[bytes, str]]:
        """For each sensor the scores of its model, and the SHA-256 of the file that this is of."""
        models, fetched = self.fetch()
        store = ModelStore(models, packed=fetched.packed)
        assert tuple(sorted(store.keys())) == fetched.keys
        return {str(key): answer(store.get(key)) for key in fetched.keys}


@pytest.fixture
def machine(store, tmp_path) -> Machine:
    return Machine(store, tmp_path / "machine")


def answer(model: LoadedModel) -> tuple[bytes, str]:
    return model.detector.predict(PROBE)[1].tobytes(), model.sha256


def of_files(store: Store) -> dict[str, tuple[bytes, str]]:
    """The same answers from the blobs themselves, without a pack."""
    keys = [SensorKey.from_model_name(blob.name) for blob in store.models.list("model_")]
    return {str(key): answer(model_from(store.models.read(key.model_name).data, key)) for key in keys}


def files(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir())


def rewritten(pack: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write the pack again with other rows."""
    table = pa_parquet.read_table(pack)
    rows = table.to_pylist()
    change(rows)
    pa_parquet.write_table(pa.Table.from_pylist(rows, schema=table.schema), pack, compression="none")


def counted(settings, machine: Machine) -> list[str]:
    """The requests of a fetch, each as its method and the name of its blob."""
    transport = CountingTransport()
    before, own = machine.store, Store.connect(settings, transport=transport)
    machine.store = own
    machine.fetch()
    machine.store = before
    own.close()
    container = f"/{own.models.name}"
    return [request.rpartition(container)[2].removeprefix("/") for request in transport.requests]


def test_a_new_machine_asks_for_a_listing_and_the_pack_and_later_for_a_listing(settings, uploaded, machine):
    assert counted(settings, machine) == ["", PACK_NAME]
    assert counted(settings, machine) == [""]


def test_models_of_the_pack_answer_as_their_files(store, uploaded, machine):
    models, fetched = machine.fetch()
    assert files(models) == [PACK_NAME]
    assert fetched.keys == tuple(KEYS)
    assert machine.answers() == of_files(store)


def test_without_a_pack_each_model_is_fetched(settings, store, uploaded, machine):
    store.models.delete(PACK_NAME)
    assert sorted(counted(settings, machine)) == ["", *(key.model_name for key in KEYS)]
    assert machine.answers() == of_files(store)


def test_a_model_that_changed_after_packing_is_fetched_and_used(settings, store, uploaded, machine):
    machine.fetch()
    store.models.put(SECOND, model(77))
    assert counted(settings, machine) == ["", SECOND]
    assert machine.answers() == of_files(store)


def test_a_model_that_changes_back_is_taken_from_the_pack_again(store, uploaded, machine):
    store.models.put(SECOND, model(77))
    assert files(machine.fetch()[0]) == [SECOND, PACK_NAME]
    store.models.upload(SECOND, uploaded / SECOND)
    assert files(machine.fetch()[0]) == [PACK_NAME]


def test_a_new_model_that_the_pack_does_not_have_is_fetched(store, uploaded, machine):
    store.models.put("model_2_1.skops", model(77))
    assert files(machine.fetch()[0]) == ["model_2_1.skops", PACK_NAME]
    assert machine.answers() == of_files(store)


def test_a_deleted_model_whose_row_remains_in_the_pack_is_not_there(store, uploaded, machine):
    machine.fetch()
    store.models.delete(FIRST)
    _, fetched = machine.fetch()
    assert fetched.keys == tuple(KEYS[1:])
    assert FIRST not in fetched.packed
    assert machine.answers() == of_files(store)


def test_a_blob_whose_md5_storage_does_not_have_is_fetched(store, uploaded, machine):
    client = store.models._client.get_blob_client(FIRST)
    client.set_http_headers(ContentSettings(content_type="application/octet-stream"))
    assert store.models.find(FIRST).md5 is None
    assert files(machine.fetch()[0]) == [FIRST, PACK_NAME]
    assert machine.answers() == of_files(store)


@pytest.mark.parametrize(
    "names", [["sha256", "md5", "form", "numbers", "digest"], ["md5"], ["form", "numbers"]]
)
def test_a_row_that_is_not_that_of_its_file_is_not_used(store, uploaded, machine, names):
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0].update({name: rows[1][name] for name in names})

    rewritten(uploaded / PACK_NAME, change)
    store.models.upload(PACK_NAME, uploaded / PACK_NAME)
    assert files(machine.fetch()[0]) == [FIRST, PACK_NAME]
    assert machine.answers() == of_files(store)


def test_a_row_of_an_earlier_version_of_a_file_is_not_used_even_if_it_is_whole(store, uploaded, machine):
    (uploaded / FIRST).write_bytes(model(77))
    store.models.upload(FIRST, uploaded / FIRST)
    assert files(machine.fetch()[0]) == [FIRST, PACK_NAME]
    write_pack(uploaded)
    store.models.upload(PACK_NAME, uploaded / PACK_NAME)
    assert files(machine.fetch()[0]) == [PACK_NAME]
    assert machine.answers() == of_files(store)


def test_a_model_that_is_refused_is_fetched_so_that_its_step_gives_the_reason(store, folder, machine):
    refused = make_pipeline(FunctionTransformer(np.log1p), OneClassSVM()).fit([[1.0], [2.0]])
    (folder / FIRST).write_bytes(model_bytes(refused))
    write_pack(folder)
    for path in folder.iterdir():
        store.models.upload(path.name, path)
    assert files(machine.fetch()[0]) == [FIRST, PACK_NAME]


@pytest.mark.parametrize("content", [b"no Parquet", b""], ids=repr)
def test_beside_a_damaged_pack_all_models_are_fetched_and_scoring_says_why(
    settings, store, uploaded, machine, content
):
    store.models.put(PACK_NAME, content)
    models, fetched = machine.fetch()
    assert (fetched.packed, files(models)) == ({}, [*(key.model_name for key in KEYS), PACK_NAME])
    assert str(ModelStore(models).notice).startswith("models.parquet is not used: it cannot be read")
    assert counted(settings, machine) == [""]


def test_a_pack_that_changes_while_it_is_fetched_is_fetched_in_its_new_version(
    settings, store, uploaded, machine
):
    def without_first(rows: list[dict[str, Any]]) -> None:
        del rows[0]

    def change() -> None:
        rewritten(uploaded / PACK_NAME, without_first)
        store.models.upload(PACK_NAME, uploaded / PACK_NAME)

    machine.store = Store.connect(settings, transport=InterruptingTransport(2, change))
    models, _ = machine.fetch()
    assert files(models) == [FIRST, PACK_NAME]
    assert (models / PACK_NAME).read_bytes() == (uploaded / PACK_NAME).read_bytes()
    assert machine.answers() == of_files(store)
    machine.store.close()


def test_a_pack_that_is_deleted_while_it_is_fetched_leaves_the_files(settings, store, uploaded, machine):
    machine.store = Store.connect(
        settings, transport=InterruptingTransport(2, lambda: store.models.delete(PACK_NAME))
    )
    assert files(machine.fetch()[0]) == [key.model_name for key in KEYS]
    machine.store.close()


def test_the_list_of_expected_sensors_is_fetched_beside_the_pack(store, uploaded, machine):
    store.models.put(EXPECTED_TXT, b"1_1\n")
    models, fetched = machine.fetch()
    assert files(models) == [EXPECTED_TXT, PACK_NAME]
    assert (models / EXPECTED_TXT).read_bytes() == b"1_1\n"
    assert fetched.keys == tuple(KEYS)


def test_code_that_reads_no_packs_gets_files(store, uploaded, tmp_path, code):
    models = tmp_path / "models"
    models.mkdir()
    assert fetch_models(store, tmp_path / "cache", models, code).packed == {}
    assert files(models) == [*(key.model_name for key in KEYS), PACK_NAME]


@pytest.mark.parametrize("damaged", [b"", b"{", b"\xff"])
def test_what_is_cut_in_the_cache_is_fetched_again(settings, store, uploaded, machine, damaged):
    """As by a machine that loses power."""
    store.models.put(SECOND, model(77))
    machine.fetch()
    for kept in (machine.place / "cache").rglob("*"):
        if kept.is_file():
            kept.unlink()
            kept.write_bytes(damaged)
    assert counted(settings, machine) == ["", PACK_NAME, SECOND]
    assert machine.answers() == of_files(store)
    assert counted(settings, machine) == [""]


def test_a_machine_keeps_no_files_of_earlier_versions(store, uploaded, machine):
    store.models.delete(PACK_NAME)
    machine.fetch()
    store.models.upload(PACK_NAME, uploaded / PACK_NAME)
    machine.fetch()
    kept = list((machine.place / "cache").glob("*/*"))
    assert len(kept) == 2  # the pack, and what it holds
    assert (uploaded / PACK_NAME).read_bytes() in [path.read_bytes() for path in kept]


@pytest.mark.parametrize("most_steps", ["200", "2"], ids=["a step per sensor", "shards"])
def test_a_run_with_a_pack_stores_what_a_run_without_it_stores(fleet, folder, environment, most_steps):

    models = fleet.context.store.models
    limits = {"SCORING_MAX_STEPS": most_steps, "SCORING_LOCAL_PROCESSES": "2"}
    fleet.context.settings = fleet.engine.settings = Settings.from_environment(environment | limits)
    fleet.engine.code = ROOT
    for key in KEYS:
        models.upload(key.model_name, folder / key.model_name)
    models.put(FIRST, model(77))
    assert fleet.publish().documents.sharded == (most_steps == "2")
    landing = [str(key).replace("/", "_") for key in KEYS]
    without = fleet.score(fleet.land("a.csv", *landing))
    models.upload(PACK_NAME, folder / PACK_NAME)
    beside = fleet.score(fleet.land("b.csv", *landing))
    assert (without.state, beside.state) == (RunState.SUCCEEDED, RunState.SUCCEEDED)
    assert fleet.predictions(beside.run) == fleet.predictions(without.run)
    assert [sensor["model"] for sensor in fleet.summary(beside.run)["sensors"]] == [
        sensor["model"] for sensor in fleet.summary(without.run)["sensors"]
    ]
