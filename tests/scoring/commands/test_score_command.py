"""`score` and `collect`, run as from a shell or in a pipeline step."""

import base64
import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.cli import main
from scoring.models.write import save_model

KEYS = [SensorKey("1", "1"), SensorKey("1", "2"), SensorKey("pump,7", 'say "x"_')]


def train(seed: int) -> Any:
    readings = np.random.default_rng(seed).normal(50, 10, (200, 1))
    return make_pipeline(StandardScaler(), OneClassSVM(nu=0.05, gamma=0.3)).fit(readings)


@pytest.fixture(scope="module")
def estimators() -> dict[SensorKey, Any]:
    return {key: train(seed) for seed, key in enumerate(KEYS)}


@pytest.fixture
def models(tmp_path: Path, estimators: dict[SensorKey, Any]) -> Path:
    folder = tmp_path / "models"
    for key, estimator in estimators.items():
        save_model(estimator, folder, key)
    return folder


def rows(count: int = 300) -> list[list[str]]:
    rng = np.random.default_rng(7)
    return [
        [
            f"2026-01-01 00:{i // 60 % 60:02}:{i % 60:02}.000",
            key.device,
            key.sensor,
            f"{rng.normal(50, 20):.2f}",
        ]
        for i in range(count)
        for key in KEYS
    ]


def write_csv(path: Path, data: list[list[str]], header: str = "TS,Device,Sensor,Value") -> Path:
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header.split(","))
        table.writerows(data)
    return path


def read_preds(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def score(data: Path, models: Path, out: Path, *more: str) -> int:
    return main(["score", "--data", str(data), "--models", str(models), "--out", str(out), *more])


def summary(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return document


def test_every_reading_gets_scikit_learns_answer_in_the_order_of_the_file(
    tmp_path: Path, models: Path, estimators: dict[SensorKey, Any]
) -> None:
    data = rows()
    assert score(write_csv(tmp_path / "r.csv", data), models, tmp_path / "out") == 0
    for key, estimator in estimators.items():
        mine = [row for row in data if row[1:3] == [key.device, key.sensor]]
        preds = read_preds(tmp_path / "out" / key.preds_name)
        assert [[p["TS"], p["Device"], p["Sensor"], p["Val"]] for p in preds] == mine
        values = np.array([[float(row[3])] for row in mine])
        assert [int(p["Prediction"]) for p in preds] == (estimator.predict(values) == -1).tolist()
        np.testing.assert_allclose(
            [float(p["Score"]) for p in preds], estimator.decision_function(values), rtol=1e-9
        )


def test_the_summary_agrees_with_the_predictions(tmp_path: Path, models: Path) -> None:
    data = rows()
    score(write_csv(tmp_path / "r.csv", data), models, tmp_path / "out", "--run", "manual-1")
    found = summary(tmp_path / "out")
    assert found["run"] == "manual-1"
    assert found["totals"]["readings"] == found["totals"]["scored"] == len(data)
    for sensor in found["sensors"]:
        preds = read_preds(tmp_path / "out" / sensor["file"])
        assert sensor["readings"] == len(preds)
        assert sensor["anomalies"] == sum(p["Prediction"] == "1" for p in preds)
        assert sensor["worst"] == min(float(p["Score"]) for p in preds)
        assert (sensor["first"], sensor["last"]) == (preds[0]["TS"], preds[-1]["TS"])
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        assert [row["device"] for row in csv.DictReader(file)] == [s["device"] for s in found["sensors"]]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, models: Path) -> None:
    data = write_csv(tmp_path / "r.csv", rows())
    trees = []
    for name in ("one", "two"):
        score(data, models, tmp_path / name)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        trees.append([(path.relative_to(tmp_path / name), path.read_bytes()) for path in files])
    assert trees[0] == trees[1]


@pytest.mark.parametrize(
    "steps", [["--shard=0/3", "--shard=1/3", "--shard=2/3"], [f"--key={k.encoded}" for k in KEYS]]
)
def test_steps_and_collect_write_what_one_process_writes(
    tmp_path: Path, models: Path, steps: list[str]
) -> None:
    mangled = [["never", "1", "1", "1"], ["2026-01-01", "1", "2", "nan"]]
    data = [*rows(), ["2026-01-01", "9", "9", "1"], *mangled]
    readings = write_csv(tmp_path / "r.csv", data)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert score(readings, models, whole) == 1  # 9/9 has no model
    for step in steps:
        assert score(readings, models, parts, step) == 0
        assert not (parts / "_SUCCESS").exists()
    command = ["collect", "--data", str(readings), "--models", str(models), "--preds", str(parts)]
    assert main(command) == 1
    assert main([*command, "--exit-zero"]) == 0
    for path in whole.iterdir():
        if path.is_file():
            assert (parts / path.name).read_bytes() == path.read_bytes(), path.name
    assert summary(parts)["totals"]["rejected"] == 2


def test_a_sensor_without_model_is_named_and_the_rest_is_scored(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models / KEYS[0].model_name).unlink()
    assert score(write_csv(tmp_path / "r.csv", rows()), models, tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: sensor 1/1: ")
    found = summary(tmp_path / "out")
    assert [s["status"] for s in found["sensors"]] == ["no-model", "scored", "scored"]
    assert not (tmp_path / "out" / KEYS[0].preds_name).exists()


def test_a_broken_model_fails_its_own_sensor_only(tmp_path: Path, models: Path) -> None:
    (models / KEYS[1].model_name).write_bytes(b"PK not a model")
    assert score(write_csv(tmp_path / "r.csv", rows()), models, tmp_path / "out") == 1
    found = summary(tmp_path / "out")
    assert [s["status"] for s in found["sensors"]] == ["scored", "failed", "scored"]
    assert found["sensors"][1]["reason"]
    assert (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    "estimator",
    [IsolationForest(n_estimators=10, random_state=0), LocalOutlierFactor(novelty=True)],
    ids=lambda e: type(e).__name__,
)
def test_other_detectors_predict_through_scikit_learn(tmp_path: Path, models: Path, estimator: Any) -> None:
    readings = np.random.default_rng(0).normal(50, 10, (200, 1))
    model = make_pipeline(StandardScaler(), estimator).fit(readings)
    save_model(model, models, KEYS[0])
    data = rows()
    assert score(write_csv(tmp_path / "r.csv", data), models, tmp_path / "out") == 0
    preds = read_preds(tmp_path / "out" / KEYS[0].preds_name)
    values = np.array([[float(p["Val"])] for p in preds])
    assert [int(p["Prediction"]) for p in preds] == (model.predict(values) == -1).tolist()
    np.testing.assert_allclose([float(p["Score"]) for p in preds], model.decision_function(values), rtol=1e-9)


def test_a_score_of_minus_infinity_is_a_text_in_json_and_drawn_in_the_report(
    tmp_path: Path, models: Path
) -> None:
    factor = LocalOutlierFactor(novelty=True).fit(np.random.default_rng(0).normal(50, 10, (200, 1)))
    save_model(factor, models, KEYS[0])
    far = ["2026-01-02 00:00:00", *KEYS[0], "1e300"]
    readings, out = write_csv(tmp_path / "r.csv", [*rows(10), far]), tmp_path / "out"
    assert score(readings, models, out, "--shard=0/1") == 0
    assert main(["collect", "--data", str(readings), "--models", str(models), "--preds", str(out)]) == 0
    assert summary(out)["sensors"][0]["worst"] == "-Infinity"
    for name in ("summary.json", "_steps/shard-0000-of-0001.json"):
        assert ": -Infinity" not in (out / name).read_text()
    with (out / "summary.csv").open(newline="") as file:
        assert float(next(csv.DictReader(file))["worst"]) == -np.inf
    assert read_preds(out / KEYS[0].preds_name)[-1]["Score"] == "-inf"
    assert "cannot be drawn" not in (out / "report.html").read_text()


def test_rejected_rows_are_written_with_line_and_reason_and_counted(tmp_path: Path, models: Path) -> None:
    data = [["2026-01-01 00:00:00", "1", "1", "50"], ["2026-01-01 00:00:01", "1", "1", ""]]
    score(write_csv(tmp_path / "r.csv", data), models, tmp_path / "out")
    with (tmp_path / "out" / "rejects.csv").open(newline="") as file:
        (reject,) = csv.DictReader(file)
    assert (reject["file"], reject["line"], reject["device"], reject["sensor"]) == ("r.csv", "3", "1", "1")
    assert "Value" in reject["reason"]
    found = summary(tmp_path / "out")
    assert (found["totals"]["rejected"], found["sensors"][0]["rejected"]) == (1, 1)


def test_one_unreadable_file_does_not_stop_the_others(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_csv(folder / "good.csv", rows())
    write_csv(folder / "bad.csv", [["a"]], header="Time")
    assert score(folder, models, tmp_path / "out") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "bad.csv" in line
    found = summary(tmp_path / "out")
    assert {landing["name"]: landing["status"] for landing in found["landings"]} == {
        "bad.csv": "unreadable",
        "good.csv": "read",
    }
    assert found["totals"]["scored"] == len(rows())


@pytest.mark.parametrize("step", [[], ["--shard", "0/2"]])
def test_files_with_the_same_fault_are_one_error(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], step: list[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        write_csv(folder / name, [["a"]], header="Time")
    write_csv(folder / "d.csv", [["a"]], header="Date")
    assert score(folder, models, tmp_path / "out", *step) == 1
    same, other, *more = capsys.readouterr().err.splitlines()
    assert same.startswith("error: a.csv and 2 more files like it: expected a CSV file with the columns TS, ")
    assert other.startswith("error: d.csv: expected a CSV file with the columns TS, ")
    assert not [line for line in more if "expected a CSV file" in line]


def test_predictions_are_not_written_among_the_models(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(models.iterdir())
    assert score(write_csv(tmp_path / "a.csv", rows()), models, models) == 2
    assert "is the folder of models, too: give another" in capsys.readouterr().err
    assert sorted(models.iterdir()) == before


def test_a_manifest_reports_replaced_and_deleted_landings(tmp_path: Path, models: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    landings: list[dict[str, object]] = []
    for name in ("mine.csv", "replaced.csv", "other.csv"):
        path = write_csv(folder / name, rows(10))
        content = path.read_bytes()
        md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
        landings.append({"name": name, "etag": "0x1", "size": len(content), "md5": md5})
    landings.pop()
    landings.append({"name": "gone.csv", "etag": "0x1", "size": 10, "md5": None})
    same_size = (folder / "replaced.csv").read_bytes().replace(b"2026", b"2027")
    (folder / "replaced.csv").write_bytes(same_size)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"version": 1, "run": "blob-1", "landings": landings}))
    assert score(folder, models, tmp_path / "out", "--manifest", str(manifest)) == 0
    found = summary(tmp_path / "out")
    assert {landing["name"]: landing["status"] for landing in found["landings"]} == {
        "mine.csv": "read",
        "replaced.csv": "superseded",
        "gone.csv": "vanished",
    }
    assert found["totals"]["scored"] == 10 * len(KEYS)


def test_collect_names_a_sensor_whose_step_wrote_nothing(tmp_path: Path, models: Path) -> None:
    readings = write_csv(tmp_path / "r.csv", rows())
    score(readings, models, tmp_path / "out", f"--key={KEYS[0].encoded}")
    main(["collect", "--data", str(readings), "--models", str(models), "--preds", str(tmp_path / "out")])
    found = summary(tmp_path / "out")
    assert [s["status"] for s in found["sensors"]] == ["scored", "missing", "missing"]
    assert found["totals"]["sensors_missing"] == 2
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_readings_out_of_order_and_over_many_batches_have_the_right_first_and_last(
    tmp_path: Path, models: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for index, hour in enumerate((12, 3, 20)):
        write_csv(folder / f"{index}.csv", [[f"2026-01-01 {hour:02}:00:00", "1", "1", "50"]])
    score(folder, models, tmp_path / "out")
    sensor = summary(tmp_path / "out")["sensors"][0]
    assert (sensor["first"], sensor["last"]) == ("2026-01-01 03:00:00", "2026-01-01 20:00:00")
    assert sensor["readings"] == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shard", "3/3"], "0 <= i < n"),
        (["--shard", "x"], "expected i/n"),
        (["--shard", "0/" + "9" * 5000], "expected i/n"),
        (["--shard", "0/\u0663"], "expected i/n"),
        (["--key", "1"], "is not an encoded sensor key"),
        (["--key", "_1"], "is not an encoded sensor key"),
    ],
    ids=["shard-range", "shard-form", "shard-long", "shard-digits", "key", "empty-device"],
)
def test_a_usage_error_ends_with_2_and_one_line(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    data = write_csv(tmp_path / "r.csv", rows(1))
    assert score(data, models, tmp_path / "out", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("run", ["x\udcff", "two\nlines"], ids=["no text", "two lines"])
def test_a_name_of_a_run_that_cannot_be_written_is_a_usage_error_before_anything_is_scored(
    tmp_path: Path, models: Path, run: str
) -> None:
    data, out = write_csv(tmp_path / "r.csv", rows(1)), tmp_path / "out"
    with pytest.raises(SystemExit, match="2"):
        score(data, models, out, "--run", run)
    assert not out.exists()


def test_missing_data_and_an_out_inside_the_data_are_usage_errors(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(tmp_path / "nowhere", models, tmp_path / "out") == 2
    (tmp_path / "data").mkdir()
    assert score(tmp_path / "data", models, tmp_path / "data" / "out") == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_seed_models_give_the_expected_answers(
    tmp_path: Path, seed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, out = tmp_path / "models", tmp_path / "out"
    assert main(["import-models", str(seed / "models"), str(models)]) == 0
    assert score(seed / "sensor_data.csv", models, out) == 0
    assert summary(out)["totals"]["readings"] == summary(out)["totals"]["scored"] == 17_768
    for expected in sorted((seed / "expected").glob("*.csv")):
        theirs, ours = read_preds(expected), read_preds(out / f"preds_{expected.stem}.csv")
        for column in ("TS", "Device", "Sensor", "Prediction"):
            assert [row[column] for row in ours] == [row[column] for row in theirs]
        # The expected values went through an old parser that was wrong in the last digit: 13.0033333333333
        # became 13.003333333333302. Here values stay as they are in the file.
        np.testing.assert_allclose(
            [float(row["Val"]) for row in ours], [float(row["Val"]) for row in theirs], rtol=1e-14
        )
