"""Batches are scored by several threads, which share what each of them needs."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.models import LoadedModel, save_model
from scoring.packs import ModelStore
from scoring.readings.files import find_sources
from scoring.step.predictions import PredictionFiles
from scoring.step.score import ModelCache, score
from scoring.step.selection import OneSensor

KEY = SensorKey("1", "3")


class SlowStore(ModelStore):
    """Takes long enough for all threads to ask before the first has its answer."""

    loads = 0

    def get(self, key: SensorKey) -> LoadedModel:
        self.loads += 1
        time.sleep(0.1)
        return super().get(key)


def test_a_model_is_loaded_once_however_many_threads_ask_for_it(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(50, 10, (60, 1))
    save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(values), tmp_path / "models", KEY)
    count = 100_000  # more than one batch
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
    with PredictionFiles(tmp_path / "out", selection.step) as files:
        outcome = score(sources, ModelCache(store), selection, files)
    assert outcome.sensors[0].readings == count
    assert store.loads == 1
