"""Batches are scored by several threads, which share the models."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.errors import ModelError
from scoring.models.detector import NO_MEMORY
from scoring.models.files import LoadedModel
from scoring.models.store import ModelStore
from scoring.models.write import save_model
from scoring.readings.files import find_sources
from scoring.step.predictions import predictions_of_step
from scoring.step.score import ModelCache, score
from scoring.step.selection import Everything, OneSensor
from scoring.step.sensor_limit import SensorLimit

KEY = SensorKey("1", "3")


class SlowStore(ModelStore):
    """Slow enough for all threads to ask before the first has its answer."""

    loads = 0

    def get(self, key: SensorKey) -> LoadedModel:
        self.loads += 1
        time.sleep(0.1)
        return super().get(key)


def test_a_model_needed_by_many_threads_is_loaded_once(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(50, 10, (60, 1))
    save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(values), tmp_path / "models", KEY)
    count = 300_000  # more than one batch
    columns = {
        "TS": pa.repeat("2026-01-01 00:00:00", count),
        "Device": pa.repeat("1", count),
        "Sensor": pa.repeat("3", count),
        "Value": pa.repeat(50.0, count),
    }
    pa_parquet.write_table(pa.table(columns), tmp_path / "readings.parquet")
    sources, _ = find_sources(tmp_path / "readings.parquet", None)
    store = SlowStore(tmp_path / "models")
    selection = OneSensor(KEY)
    with predictions_of_step(tmp_path / "out", selection.step) as files:
        outcome = score(sources, ModelCache(store), selection, files, limit=SensorLimit(store.keys()))
    assert outcome.sensors[0].readings == count
    assert store.loads == 1


class FailsAtTheSecond:
    """Predicts once, and has no memory to do it again."""

    asked = 0

    def predict(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.asked += 1
        if self.asked > 1:
            raise ModelError(NO_MEMORY)
        return np.zeros(len(values), np.uint8), np.ones(len(values))


class FailingStore(ModelStore):
    """Has one model that fails while readings are scored."""

    def get(self, key: SensorKey) -> LoadedModel:
        return LoadedModel(key, FailsAtTheSecond(), "0" * 64) if key == KEY else super().get(key)


def test_a_sensor_that_fails_half_way_has_no_predictions_and_the_others_are_whole(tmp_path: Path) -> None:
    other = SensorKey("1", "4")
    values = np.random.default_rng(0).normal(50, 10, (60, 1))
    for key in (KEY, other):
        save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(values), tmp_path / "models", key)
    data = tmp_path / "data"
    data.mkdir()
    count = 2_000  # each file is a batch: it is too large to be read together with the others
    rows = "TS,Device,Sensor,Value\n" + "2026-01-01,1,3,50\n2026-01-01,1,4,50\n" * count
    for name in "abc":
        (data / f"{name}.csv").write_text(rows)
    sources, _ = find_sources(data, None)
    everything = Everything()
    models = ModelCache(FailingStore(tmp_path / "models"))
    with predictions_of_step(tmp_path / "out", everything.step) as files:
        outcome = score(sources, models, everything, files, limit=SensorLimit(models.keys()))
    failed, scored = outcome.sensors
    assert (failed.status, failed.readings, failed.worst) == ("failed", 3 * count, None)
    assert failed.reason == NO_MEMORY
    assert not (tmp_path / "out" / KEY.preds_name).exists()
    assert (scored.status, scored.readings) == ("scored", 3 * count)
    assert len((tmp_path / "out" / other.preds_name).read_text().splitlines()) == 3 * count + 1
