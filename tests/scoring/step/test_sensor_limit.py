"""Readings come from strangers: each can name a sensor, and memory must not grow with them."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring.collect.rejects import MOST_REJECTS
from scoring.keys import SensorKey
from scoring.models.write import save_model
from scoring.readings import rows
from scoring.readings.csv_header import MAX_COLUMNS
from scoring.readings.files import Source, read_batches
from scoring.readings.many_files import Part, ReadBatch
from scoring.readings.row_checks import KnownKeys
from scoring.readings.rows import Batch
from scoring.step.sensor_limit import MOST_UNKNOWN, SensorLimit
from tests.scoring.peak import run_for_peak
from tests.scoring.run_command import scoring

HEADER = "TS,Device,Sensor,Value\n"
KNOWN = SensorKey("1", "3")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).normal(50, 10, (60, 1))
    save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(values), tmp_path / "models", KNOWN)
    return tmp_path / "models"


def strange(sensors: int) -> Iterator[str]:
    """A reading of each of this many sensors that nobody knows."""
    return (f"2026-01-01 00:00:00,d{number},s,1\n" for number in range(sensors))


@pytest.mark.slow
@pytest.mark.parametrize("command", ["score", "collect"])
def test_a_million_sensors_without_a_model_take_no_more_memory_than_a_few(tmp_path, models, command):
    data, out = tmp_path / "data.csv", tmp_path / "out"
    places = ["--data", data, "--models", models, "--out" if command == "score" else "--preds", out]
    out.mkdir()
    peaks = []
    for sensors in (MOST_UNKNOWN, 1_000_000):
        with data.open("w") as file:
            file.write(HEADER)
            file.writelines(strange(sensors))
        peaks.append(run_for_peak(command, *places, code=1)[1])
    assert peaks[1] < peaks[0] + 300
    totals = json.loads((out / "summary.json").read_bytes())["totals"]
    assert (totals["readings"], totals["readings_unlisted"]) == (1_000_000, 1_000_000 - MOST_UNKNOWN)


def test_batches_that_wait_for_more_readings_of_their_sensors_keep_no_rejects(tmp_path, models, monkeypatch):
    """Dozens of batches wait if each has few readings of many sensors: the other rows can all be rejects."""
    data, waited = tmp_path / "data.csv", []

    def concatenate(batches: list[Batch]) -> Batch:
        waited.extend(batches)
        return rows.concatenate(batches)

    monkeypatch.setattr("scoring.step.score.concatenate", concatenate)
    block = [*strange(1000), *["2026-01-01,d,s,x\n"] * 130_072]
    data.write_text(HEADER + "".join(block) * 2)
    scoring("score", "--data", data, "--models", models, "--out", tmp_path / "out")
    assert len(waited) > 1
    assert sum(batch.rejects.num_rows + len(batch.rejected_on) for batch in waited) == 0
    totals = json.loads((tmp_path / "out" / "summary.json").read_bytes())["totals"]
    assert totals["rejected"] == 2 * 130_072


def test_sensors_that_are_too_many_are_counted_and_the_run_says_so(tmp_path, models):
    data, out = tmp_path / "data.csv", tmp_path / "out"
    rows = [*strange(MOST_UNKNOWN + 5), "2026-01-01,1,3,50\n", *strange(2), *strange(MOST_UNKNOWN + 5)]
    data.write_text(HEADER + "".join(rows))
    done = scoring("score", "--data", data, "--models", models, "--out", out)
    assert done.code == 1
    summary = json.loads((out / "summary.json").read_bytes())
    totals = summary["totals"]
    assert (totals["readings"], totals["scored"], totals["readings_unlisted"]) == (len(rows), 1, 10)
    assert totals["sensors_without_model"] == MOST_UNKNOWN
    reason = "10 readings are of more sensors without a model: only the first 10,000 such sensors are listed"
    assert summary["reasons"][-1] == reason
    assert f"error: {reason}" in done.err
    text = (out / "summary.json").read_bytes()
    assert scoring("collect", "--data", data, "--models", models, "--preds", out).code == 1
    assert (out / "summary.json").read_bytes() == text


def test_a_step_of_one_sensor_is_not_disturbed_by_others(tmp_path, models):
    data, out = tmp_path / "data.csv", tmp_path / "out"
    data.write_text(HEADER + "".join(strange(70_000)) + "2026-01-01,1,3,50\n")
    done = scoring("score", "--data", data, "--models", models, "--out", out, "--key", "1_3", "--json")
    assert (done.code, json.loads(done.out)["readings"]) == (0, 1)


def test_the_readings_that_are_left_keep_their_order_and_their_sensors(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text(HEADER + "".join(f"2026-01-01 00:00:0{n},{d},s,{n}\n" for n, d in enumerate("axbxycxa")))
    source = Source("data.csv", path)
    (batch,) = read_batches(source)
    limit = SensorLimit({SensorKey("c", "s")}, most=2)
    read = limit(ReadBatch(batch, [Part(source, 5, 0), Part(source, 3, 0)]))
    found = read.batch
    assert limit.unlisted == 2  # b and y
    assert [part.readings for part in read.parts] == [3, 3]
    assert [found.keys[code].device for code in found.codes] == ["a", "x", "x", "c", "x", "a"]
    assert found.values.tolist() == [0, 1, 3, 5, 6, 7]
    assert found.value.to_pylist() == ["0", "1", "3", "5", "6", "7"]
    assert [ts[-1] for ts in found.ts.to_pylist()] == ["0", "1", "3", "5", "6", "7"]
    assert len(found.times) == 6


def test_what_is_known_of_the_keys_of_a_file_is_forgotten_where_it_is_too_much():
    known = KnownKeys({(str(n), "s"): SensorKey(str(n), "s") for n in range(200_001)}, {b"a": "a"})
    known.trim()
    assert (known.keys, known.parts) == ({}, {b"a": "a"})


def test_of_a_file_of_rejects_the_first_are_written_and_all_are_counted(tmp_path, models):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / "a.csv").write_text(HEADER + "x\n" * (MOST_REJECTS + 7))
    (data / "b.csv").write_text(HEADER + "x\n2026-01-01,1,3,50\n")
    assert scoring("score", "--data", data, "--models", models, "--out", out).code == 1
    with (out / "rejects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == MOST_REJECTS + 1
    assert (rows[-1]["file"], rows[-1]["line"]) == ("b.csv", "2")
    summary = json.loads((out / "summary.json").read_bytes())
    assert summary["totals"]["rejected"] == MOST_REJECTS + 8
    assert summary["landings"][0]["reason"].endswith("; rejects.csv has the first 100,000")


def test_a_parquet_file_has_at_most_as_many_columns_as_a_csv_file(tmp_path, models):
    columns = {"TS": ["2026-01-01"], "Device": ["1"], "Sensor": ["3"], "Value": [50.0]}
    columns |= {f"c{number}": [1] for number in range(MAX_COLUMNS)}
    pa_parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    done = scoring("score", "--data", tmp_path / "a.parquet", "--models", models, "--out", tmp_path / "out")
    assert done.code == 1
    assert "expected at most 10,000 columns, found 10,004" in done.err
