import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import SensorKey
from scoring.cli import main
from scoring.models.files import load_model
from scoring.models.store import ModelStore
from scoring.readings.rows import Batch
from scoring.tools import train as training
from scoring.tools.simulate import Fleet, simulate
from scoring.tools.train import Recipe, Samples, Untrainable, fit, train

RECIPE = Recipe(nu=0.0001, gamma=0.01, min_readings=2)
DAY = Fleet(
    devices=2,
    sensors=2,
    readings=1440,
    interval_ms=60_000,
    start_ms=1_767_225_600_000,
    seed=0,
    anomaly_rate=0,
)


def write_readings(path: Path, fleet: Fleet = DAY) -> Path:
    rows = pd.concat([chunk.readings.to_pandas() for chunk in simulate(fleet)])
    rows.to_csv(path, index=False)
    return path


def run(data: Path, models: Path, *options):
    return main(["train", "--data", str(data), "--models", str(models), *map(str, options)])


def contents(folder: Path):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_is_trained_for_each_sensor(tmp_path: Path, capsys):
    readings = write_readings(tmp_path / "history.csv")
    assert run(readings, tmp_path / "models") == 0
    assert capsys.readouterr().out == f"trained 4 of 4 sensors, 5,760 readings -> {tmp_path}/models\n"
    trained = sorted(ModelStore(tmp_path / "models").keys())
    assert [str(key) for key in trained] == ["1/1", "1/2", "2/1", "2/2"]


def test_models_find_the_next_days_spikes_and_little_else(tmp_path: Path):
    assert run(write_readings(tmp_path / "history.csv"), tmp_path / "models") == 0
    tomorrow = replace(DAY, start_ms=DAY.start_ms + 86_400_000, anomaly_rate=0.05)
    readings, labels = (
        pd.concat([getattr(chunk, name).to_pandas() for chunk in simulate(tomorrow)])
        for name in ("readings", "labels")
    )
    readings = readings.merge(labels, how="left", on=["TS", "Device", "Sensor"])
    readings["Flagged"] = 0
    for (device, sensor), rows in readings.groupby(["Device", "Sensor"], observed=True):
        detector = load_model(tmp_path / "models", SensorKey(device, sensor)).detector
        readings.loc[rows.index, "Flagged"] = detector.predict(rows.Value.to_numpy())[0]
    flagged = readings.Flagged.groupby(readings.Kind.astype(str).fillna("none")).mean()
    assert flagged["spike"] > 0.9
    assert flagged["level-shift"] > 0.9
    assert 0.3 < flagged["drift"] < 0.9
    assert flagged["none"] < 0.005


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(2, 2000),
    outliers=st.lists(st.floats(-20, 20), max_size=4),
    nu=st.sampled_from([1e-6, 1e-4, 1e-2]),
    seed=st.integers(0, 1000),
)
def test_a_detector_calls_few_of_the_readings_it_learnt_anomalies(count, outliers, nu, seed):
    values = np.concatenate([np.random.default_rng(seed).normal(50, 2, count), 50 + 2 * np.array(outliers)])
    detector = fit(values, replace(RECIPE, nu=nu))
    assert (detector.predict(values.reshape(-1, 1)) == -1).mean() <= nu + 0.05


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([5.0], r"1 reading, fewer than 2 \(min-readings\)"),
        ([5.0] * 100, "all 100 readings are 5 or nearly so: nothing to learn"),
        ([1e10, 1e10 + 1e-6] * 50, "all 100 readings are 1e\\+10 or nearly so"),
        ([1e308, -1e308] * 50, "too large to be scaled"),
    ],
    ids=["too few", "constant", "as good as constant", "huge"],
)
def test_readings_that_cannot_be_learnt_from_are_refused(values, reason):
    with pytest.raises(Untrainable, match=reason):
        fit(np.array(values), RECIPE)


def test_a_detector_that_flags_its_own_readings_is_refused():
    values = np.random.default_rng(0).normal(50, 2, 500)
    with pytest.raises(
        Untrainable, match=r"would call \d+ of the 500 readings it learnt anomalies; try another"
    ):
        fit(values, replace(RECIPE, gamma=1e-9))


@pytest.mark.parametrize("values", [[0.0, 1.0] * 30, [0.0] * 59 + [1.0], [1.0, 2.0, 3.0, 4.0] * 15])
def test_readings_at_the_boundary_are_normal_and_beyond_it_are_not(values):
    detector = fit(np.array(values), RECIPE)
    assert (detector.predict(np.array(values).reshape(-1, 1)) == 1).all()
    beyond = [[min(values) - 0.01], [max(values) + 0.01]]
    assert (detector.predict(beyond) == -1).all()


def test_sensors_that_cannot_be_trained_are_named_and_the_others_trained(tmp_path: Path, capsys):
    rows = [f"2026-01-01 00:00:00.{i:03},1,{s},{i % 7}" for i in range(60) for s in (1, 2)]
    rows += [f"2026-01-01 00:00:01.{i:03},1,3,4.5" for i in range(60)] + ["2026-01-01 00:00:02,2,1,1"]
    (tmp_path / "data.csv").write_text("\n".join(["TS,Device,Sensor,Value", *rows, "never,1,1,1", ""]))
    assert run(tmp_path / "data.csv", tmp_path / "models", "--json") == 0
    output = capsys.readouterr()
    assert output.err.splitlines()[-2:] == [
        "skipped sensor 1/3: all 60 readings are 4.5 or nearly so: nothing to learn",
        "skipped sensor 2/1: 1 reading, fewer than 50 (min-readings)",
    ]
    assert "1 row rejected, the first is data.csv line 183: TS 'never'" in output.err
    assert json.loads(output.out) == {
        "readings": 181,
        "rejected": 1,
        "sensors": 4,
        "trained": 2,
        "skipped": 2,
    }
    assert sorted(contents(tmp_path / "models")) == ["model_1_1.skops", "model_1_2.skops"]


def test_the_same_readings_give_the_same_models_in_one_process_or_several(tmp_path: Path):
    readings = write_readings(tmp_path / "history.csv", replace(DAY, devices=6, sensors=3, readings=60))
    for jobs in (1, 1, 2):
        folder = tmp_path / f"models-{jobs}"
        assert run(readings, folder, "--jobs", jobs) == 0
    assert len(contents(tmp_path / "models-1")) == 18
    assert contents(tmp_path / "models-1") == contents(tmp_path / "models-2")


def test_of_too_many_readings_some_are_used_with_a_notice(tmp_path: Path, capsys):
    readings = write_readings(tmp_path / "history.csv")
    assert run(readings, tmp_path / "few", "--max-readings", "500") == 0
    assert "4 sensors have more than --max-readings 500 readings: they learn from" in capsys.readouterr().err
    every_third = pd.read_csv(readings).groupby(["Device", "Sensor"]).nth(slice(None, None, 3))
    every_third.to_csv(tmp_path / "every-third.csv", index=False)
    assert run(tmp_path / "every-third.csv", tmp_path / "thinned") == 0
    assert contents(tmp_path / "few") == contents(tmp_path / "thinned")


def batches(rows, sizes):
    """Readings (sensor, value) in batches of these sizes, then the rest."""
    start, found = 0, []
    for size in [*sizes, len(rows)]:
        some = rows[start : start + size]
        start += size
        names = sorted({sensor for sensor, _ in some})
        none = pa.array([], pa.string())
        found.append(
            Batch(
                [SensorKey("1", name) for name in names],
                np.array([names.index(sensor) for sensor, _ in some], np.uint16),
                none,
                none,
                np.array([value for _, value in some], float),
                np.zeros(len(some), np.int64),
                pa.table({}),
            )
        )
    return found


@pytest.mark.slow
def test_a_killed_training_process_is_reported(tmp_path: Path):
    rows = [(str(sensor), value % 7) for sensor in range(640) for value in range(8)]
    samples = Samples(1000)
    samples.count(batches(rows, []))
    samples.keep(batches(rows, []))
    results = train(samples, RECIPE, tmp_path, jobs=2)
    next(results)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(OSError, match="a training process was killed"):
        list(results)


def test_a_training_process_ends_its_task_early_where_nobody_waits_for_it(tmp_path: Path, monkeypatch):
    stop = multiprocessing.Event()
    monkeypatch.setattr(training, "_stop", stop)
    task = [(SensorKey("1", str(sensor)), np.arange(50.0)) for sensor in range(3)]
    assert len(training._train_some(task, RECIPE, tmp_path)) == 3
    stop.set()
    assert training._train_some(task, RECIPE, tmp_path) == []


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1000)), max_size=60)
SIZES = st.lists(st.integers(0, 20), max_size=4)


@given(rows=ROWS, sizes=SIZES, most=st.integers(1, 12))
def test_samples_are_evenly_spaced_and_in_order(rows, sizes, most):
    samples = Samples(most)
    samples.count(batches(rows, sizes))
    samples.keep(batches(rows, sizes[::-1]))
    for key, count in samples.counts.items():
        values = [value for sensor, value in rows if sensor == key.sensor]
        assert count == len(values)
        assert samples.of(key).tolist() == values[:: -(-count // most)]


@given(counted=ROWS, kept=ROWS, sizes=SIZES, most=st.integers(1, 12))
def test_files_that_change_between_the_two_passes_mix_no_sensors(counted, kept, sizes, most):
    samples = Samples(most)
    samples.count(batches(counted, sizes))
    samples.keep(batches(kept, sizes))
    for key, count in samples.counts.items():
        values = [value for sensor, value in kept if sensor == key.sensor]
        assert samples.of(key).tolist() == values[:count][:: -(-count // most)]


@pytest.mark.parametrize(
    "mistake",
    [
        (["--nu", "0"], 2, "--nu: '0': give a number above 0, up to 1"),
        (["--nu", "two"], 2, "--nu: 'two': give a number above 0, up to 1"),
        (["--gamma", "inf"], 2, "--gamma: 'inf': give a number above 0"),
        (["--jobs", "0"], 2, "--jobs: '0': give a whole number, 1 or more"),
        (["--min-readings", "1"], 2, "--min-readings: '1': give a whole number, 2 or more"),
        (["--max-readings", "10"], 2, "--max-readings 10 is below --min-readings 50"),
        (["--models", "data.csv"], 2, "--models data.csv is not a folder"),
        (["--models", "data.csv/models"], 1, "cannot write"),
        (["--data", "nothing"], 2, "nothing: there is no such file or folder"),
        (["--data", "empty"], 1, "--data empty: there is no file in this folder"),
        (["--data", "/dev/null"], 2, "--data /dev/null is read twice, and a pipe cannot be"),
        (["--data", "few.csv"], 1, "1 reading, fewer than 50 (min-readings)"),
    ],
    ids=lambda mistake: " ".join(mistake[0]),
)
def test_mistakes_are_reported_in_one_line(tmp_path: Path, monkeypatch, capsys, mistake):
    options, code, expected = mistake
    write_readings(tmp_path / "data.csv", replace(DAY, readings=60))
    (tmp_path / "few.csv").write_text("TS,Device,Sensor,Value\n2026-01-01,1,1,1\n")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    try:
        assert main(["train", "--data", "data.csv", "--models", "models", *options]) == code
    except SystemExit as left:
        assert left.code == code  # noqa: PT017
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "models").exists()


def test_one_unreadable_file_stops_the_training_before_anything_is_written(tmp_path: Path, capsys):
    (tmp_path / "data").mkdir()
    write_readings(tmp_path / "data" / "a.csv")
    (tmp_path / "data" / "b.csv").write_text("Zeit,Wert\n1,2\n")
    assert run(tmp_path / "data", tmp_path / "models") == 1
    assert "error: b.csv: " in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_a_file_name_that_is_not_a_file_is_reported(tmp_path: Path, capsys):
    (tmp_path / "data").mkdir()
    write_readings(tmp_path / "data" / "a.csv")
    (tmp_path / "data" / "b.csv").symlink_to("gone.csv")
    assert run(tmp_path / "data", tmp_path / "models") == 1
    assert "error: b.csv: it is a broken link" in capsys.readouterr().err
