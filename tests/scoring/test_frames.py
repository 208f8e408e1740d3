"""DataFrames in and out give what the commands give."""

import csv
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scoring
from scoring.errors import ReadingsError, UsageError
from scoring.keys import SensorKey
from tests.pipeline import small_fleet
from tests.scoring.run_command import scoring as command

REPO = Path(__file__).parents[2]


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    for name, content in small_fleet.models().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def frame() -> pd.DataFrame:
    """Readings of three sensors, one without a model, with a value that is missing."""
    rng = np.random.default_rng(7)
    times = pd.date_range("2026-11-23", periods=60, freq="90s", unit="ns").repeat(4)
    made = pd.DataFrame(
        {"TS": times, "Device": [1, 1, 2, 9] * 60, "Sensor": [1, 2, 1, 9] * 60, "Site": "north"}
    )
    made["Value"] = rng.normal(21, 1, len(made))
    made.loc[8, "Value"] = np.nan
    made.loc[9, "Value"] = 1e300
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_frame_is_scored_to_the_bytes_of_the_command(frame, models, tmp_path):
    frame.to_parquet(tmp_path / "frame")
    done = command("score", "--data", tmp_path / "frame", "--models", models, "--out", tmp_path / "command")
    assert done.code == 1, "a sensor has no model"
    run = scoring.score(frame, models, out=tmp_path / "api")
    assert files(tmp_path / "api") == files(tmp_path / "command")
    assert run.state == "partly"
    assert "9/9" in run.reasons[0]


def test_predictions_are_those_of_the_files_in_the_types_of_the_frame(frame, models, tmp_path):
    run = scoring.score(frame, models, out=tmp_path / "out")
    lines = []
    for name in ("preds_1_1.csv", "preds_1_2.csv", "preds_2_1.csv"):
        lines += (tmp_path / "out" / name).read_text().splitlines()[1:]
    read = [line.split(",") for line in lines]
    assert run.predictions["TS"].dtype == frame["TS"].dtype
    assert list(run.predictions["TS"]) == [pd.Timestamp(row[0]) for row in read]
    assert list(run.predictions["Val"]) == [float(row[3]) for row in read]
    assert list(run.predictions["Score"]) == [float(row[5]) for row in read]
    kept = frame[(frame.Device != 9) & frame.Value.notna()].sort_values(["Device", "Sensor"], kind="stable")
    assert list(run.predictions["Val"]) == list(kept["Value"])
    assert set(run.predictions["Device"]) == {"1", "2"}


def test_what_was_not_scored_is_in_summary_and_rejects(frame, models):
    run = scoring.score(frame, models)
    assert dict(zip(run.summary.device + "/" + run.summary.sensor, run.summary.status, strict=True)) == {
        "1/1": "scored",
        "1/2": "scored",
        "2/1": "scored",
        "9/9": "no-model",
    }
    assert list(run.rejects["line"]) == [9]
    assert frame.iloc[8].isna()["Value"]
    assert run.episodes is not None
    assert list(run.episodes.columns)[:4] == ["Device", "Sensor", "start", "end"]
    assert repr(run) == "<Run partly: 179 of 239 readings scored, 25 anomalies, 1 row rejected>"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_zones_of_timestamps_come_back(frame, models, zone):
    frame["TS"] = frame["TS"].dt.tz_localize(zone)
    run = scoring.score(frame, models)
    assert run.predictions["TS"].dtype == frame["TS"].dtype
    assert run.predictions["TS"].iloc[0] == frame["TS"].iloc[0]


def test_texts_stay_texts(models):
    row = {"TS": "2026-11-23T05:00:00+01:00", "Device": "1", "Sensor": "1", "Value": "21.50"}
    run = scoring.score(pd.DataFrame([row]), models)
    assert list(run.predictions["TS"]) == ["2026-11-23T05:00:00+01:00"]
    assert list(run.predictions["Val"]) == [21.5]


def test_a_frame_without_readings_has_results_without_rows(frame, models):
    run = scoring.score(frame[:0], models)
    assert list(run.predictions.columns) == ["TS", "Device", "Sensor", "Val", "Prediction", "Score"]
    assert len(run.predictions) == len(run.rejects) == 0


def test_an_expected_sensor_that_sent_nothing_is_silent(frame, models):
    run = scoring.score(frame[frame.Device == 1], models, expected=[("1", "1"), ("5", "5")])
    status = run.summary.set_index(["device", "sensor"])["status"]
    assert status["5", "5"] == "silent"


def test_the_folder_of_a_run_is_read_with_texts_that_look_like_missing_values(models, tmp_path):
    row = {"TS": "2026-11-23", "Device": "NA", "Sensor": "null", "Value": "x"}
    scoring.score(pd.DataFrame([row]), models, out=tmp_path / "out")
    run = scoring.read_run(tmp_path / "out")
    assert list(run.rejects["device"] + "/" + run.rejects["sensor"]) == ["NA/null"]
    (tmp_path / "out" / "episodes.csv").write_text("Device,Sensor,start,readings\n1,007,2026-11-23,2\n")
    episodes = scoring.read_run(tmp_path / "out").episodes
    assert episodes is not None
    assert list(episodes["Sensor"]) == ["007"]


@pytest.mark.parametrize(
    "wrong", [{"nu": 2}, {"nu": 0}, {"gamma": -3}, {"gamma": np.inf}, {"min_readings": 1}]
)
def test_training_refuses_what_the_command_refuses(frame, tmp_path, wrong):
    with pytest.raises(ValueError, match="expected nu above 0"):
        scoring.train(frame, tmp_path / "api", **wrong)
    assert not (tmp_path / "api").exists()


def test_training_gives_the_models_of_the_command(frame, tmp_path):
    frame = frame[frame.index > 9]
    frame.to_parquet(tmp_path / "frame")
    done = command(
        "train", "--data", tmp_path / "frame", "--models", tmp_path / "command", "--min-readings", 10
    )
    assert done.code == 0
    trained = scoring.train(frame, tmp_path / "api", min_readings=10)
    assert files(tmp_path / "api") == files(tmp_path / "command")
    assert list(trained.columns) == ["device", "sensor", "readings", "skipped"]
    assert trained["skipped"].isna().all()
    frame.loc[frame.Device == 2, "Value"] = 7.0
    with pytest.warns(UserWarning, match="1 row rejected"):
        trained = scoring.train(pd.concat([frame, frame.assign(Value=np.nan)[:1]]), tmp_path / "api")
    assert "are 7 or nearly so: nothing to learn" in trained.set_index("device").loc["2", "skipped"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            lambda frame: frame.rename(columns={"Value": "value"}),
            r"found none or several of Value among 'TS, ",
        ),
        (
            lambda frame: frame.set_axis(["TS", "TS", "Sensor", "Site", "Value"], axis=1),
            "several of TS, Device",
        ),
        (
            lambda frame: frame.assign(Value=frame.Value > 1),
            "expected column Value to be a number, found bool",
        ),
        (lambda frame: frame.assign(Device=[1, "a"] * 120), "a column of the frame mixes types: .*Device"),
        (lambda _: ["readings.csv"], "expected a DataFrame, or the path of a file, found list"),
    ],
)
def test_a_frame_that_is_none_of_readings_is_refused(frame, models, change, complaint):
    for act in (scoring.score, scoring.train):
        with pytest.raises(ReadingsError, match=complaint):
            act(change(frame), models)


def wide_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The sensors of device 1 as columns, with names that need a mapping."""
    own = frame[frame.Device == 1].dropna()
    wide = own.pivot_table(index="TS", columns="Sensor", values="Value").reset_index()
    return wide.set_axis(["When", "1", "2"], axis=1).assign(Note="off")


MAPPING = "ts=When device-is=1 wide=1,2"


@pytest.mark.parametrize("mapping", [MAPPING, {"ts": "When", "device-is": "1", "wide": ["1", "2"]}])
def test_a_mapping_reads_a_frame_and_a_file_of_other_columns(frame, models, tmp_path, mapping):
    wide, path = wide_of(frame), tmp_path / "readings.csv"
    wide.to_csv(path, index=False)
    expected = scoring.score(frame[frame.Device == 1].dropna(), models)
    for given in (wide, path, str(path)):
        run = scoring.score(given, models, mapping=mapping)
        assert run.predictions.drop(columns="TS").equals(expected.predictions.drop(columns="TS"))
        assert list(pd.to_datetime(run.predictions["TS"])) == list(expected.predictions["TS"])
        assert run.summary["readings"].equals(expected.summary["readings"])
    assert scoring.score(wide, models, mapping=mapping).predictions["TS"].dtype == wide["When"].dtype
    trained = scoring.train(wide, tmp_path / "a", mapping=mapping)
    assert trained.equals(scoring.train(path, tmp_path / "b", mapping=mapping))
    assert files(tmp_path / "a") == files(tmp_path / "b") != {}


def test_times_that_a_mapping_converts_come_back_as_texts_in_utc(frame, models):
    wide = wide_of(frame)
    run = scoring.score(wide, models, mapping=f"{MAPPING} ts-zone=Europe/Berlin")
    assert run.predictions["TS"].iloc[0] == "2026-11-22 23:00:00"
    parts = wide.assign(Day=wide.When.dt.date, Time=wide.When.dt.time)
    run = scoring.score(parts, models, mapping="ts=Day,Time device-is=1 wide=1,2")
    assert run.predictions["TS"].iloc[1] == "2026-11-23 00:01:30"


def test_a_folder_is_scored_with_a_mapping_per_prefix_and_names_what_it_cannot_read(frame, models, tmp_path):
    data, document = tmp_path / "data", tmp_path / "mapping.json"
    (data / "site-a").mkdir(parents=True)
    wide_of(frame).to_csv(data / "site-a" / "a.csv", index=False)
    frame[frame.Device == 2].to_csv(data / "b.csv", index=False)
    (data / "c.csv").write_text("x\n1\n")
    document.write_text(json.dumps({"site-a/": MAPPING}))
    run = scoring.score(data, models, mapping=str(document), out=tmp_path / "api")
    command("score", "--data", data, "--models", models, "--out", tmp_path / "command", "--mapping", document)
    assert files(tmp_path / "api") == files(tmp_path / "command")
    assert run.state == "partly"
    assert run.reasons[0].startswith("c.csv: expected a CSV file")
    assert set(run.predictions["Device"]) == {"1", "2"}
    with pytest.raises(ReadingsError, match=r"c\.csv: expected a CSV file"):
        scoring.train(data, tmp_path / "m", mapping={"site-a/": MAPPING})


def test_a_file_that_cannot_be_read_keeps_what_was_scored_before(frame, models, tmp_path):
    scoring.score(frame, models, out=tmp_path / "out")
    before = files(tmp_path / "out")
    (tmp_path / "c.csv").write_text("x\n1\n")
    with pytest.warns(UserWarning, match="keeps its earlier results"):
        run = scoring.score(tmp_path / "c.csv", models, out=tmp_path / "out")
    assert run.state == "failed"
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ("wid", "'wid' is unknown: wide"),
        ("none.json", r"none\.json: No such file"),
        ({"header": [1]}, "header is"),
        ("device-from=file wide", "no file that names its device: give device-is=NAME"),
    ],
)
def test_a_mapping_that_reads_no_frame_is_refused(frame, models, mapping, complaint):
    for act in (scoring.score, scoring.train):
        with pytest.raises(UsageError, match=complaint):
            act(frame, models, mapping=mapping)


def test_readings_that_are_not_there_are_refused(frame, models, tmp_path):
    with pytest.raises(ReadingsError, match=r"the frame has no column When \(TS\)"):
        scoring.score(frame, models, mapping=MAPPING)
    for act in (scoring.score, scoring.train):
        with pytest.raises(UsageError, match=r"none\.csv: there is no such file"):
            act(tmp_path / "none.csv", models)
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ReadingsError, match="there is no file in this folder"):
            act(tmp_path / "empty", models)


def test_a_wrong_folder_is_refused(frame, tmp_path):
    with pytest.raises(UsageError, match="is not a folder of models"):
        scoring.score(frame, tmp_path / "nothing")
    with pytest.raises(UsageError, match=r"is not the folder of a run: it has no summary\.json"):
        scoring.read_run(tmp_path)


def test_importing_the_package_imports_no_numerics():
    code = "import sys, scoring; print(sorted({'numpy', 'pandas', 'pyarrow', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPO)
    assert done.stdout == "[]\n"


def test_a_name_that_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        scoring.nothing  # noqa: B018


def test_nothing_warns(frame, models):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scoring.score(frame, models)


def test_the_example_of_the_docs_runs_and_finds_what_happened(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", REPO / "docs" / "notebooks.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
    )
    assert done.returncode == 0, done.stderr
    run = scoring.read_run(tmp_path / "out" / "tuesday")
    assert run.state == "succeeded"
    found = run.predictions[run.predictions.Prediction == 1]
    assert set(pd.to_datetime(found.TS[found.Device == "1"])) >= set(
        pd.date_range("2026-11-24 10:00", periods=5, freq="1min")
    )
    assert (tmp_path / "out" / "tuesday" / "report.html").is_file()


def test_sensors_that_look_like_formulas_are_not_formulas_in_files_and_themselves_in_frames(frame, tmp_path):
    keys = [("=1+1", "@x"), ("-a", "'=b"), ("-5", "+1.5")]
    models = tmp_path / "models"
    models.mkdir()
    for key, content in zip(keys, small_fleet.models().values(), strict=True):
        (models / SensorKey(*key).model_name).write_bytes(content)
    frame = frame.drop(columns=["Device", "Sensor"]).iloc[:180]
    frame["Device"], frame["Sensor"] = zip(*(keys * 60), strict=True)
    run = scoring.score(frame, models, out=tmp_path / "out")
    assert run.episodes is not None
    for table in (run.predictions, run.episodes):
        assert set(zip(table.Device, table.Sensor, strict=True)) <= set(keys)
    assert set(zip(run.predictions.Device, run.predictions.Sensor, strict=True)) == set(keys)
    assert set(zip(run.summary.device, run.summary.sensor, strict=True)) == set(keys)
    for path in (tmp_path / "out").glob("*.csv"):
        for row in csv.reader(path.read_text("utf-8").splitlines()[1:]):
            assert not [text for text in row if text[:1] in {"=", "@"} or text == "-a"], path.name
