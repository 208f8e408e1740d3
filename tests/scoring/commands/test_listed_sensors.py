"""A try for the sensors whose steps were lost: only those that the manifest lists are scored and counted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.models.write import save_model
from tests.scoring.run_command import CommandResult, scoring

KEYS = [SensorKey("1", str(number)) for number in range(1, 5)]
READINGS = 9


class Tries:
    """A landing of four sensors with one bad row, and the folders of two tries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data, self.models = folder / "data", folder / "models"
        self.data.mkdir()
        rows = [
            f"2026-01-01 00:00:0{second},{k.device},{k.sensor},50" for k in KEYS for second in range(READINGS)
        ]
        self.text = "\n".join(["TS,Device,Sensor,Value", *rows, "2026-01-01 00:00:00,1,2,warm", ""])
        (self.data / "a.csv").write_text(self.text)
        normal = np.random.default_rng(0).normal(50, 10, (50, 1))
        for key in KEYS:
            save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(normal), self.models, key)

    def manifest(self, name: str, sensors: list[str] | None) -> Path:
        landing = {"name": "a.csv", "etag": "0x1", "size": len(self.text)}
        document: dict[str, Any] = {"version": 1, "run": name, "landings": [landing]}
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(document if sensors is None else document | {"sensors": sensors}))
        return path

    def score(self, name: str, manifest: Path, *which: str) -> CommandResult:
        places = ("--data", self.data, "--models", self.models, "--manifest", manifest)
        return scoring("score", *places, "--out", self.folder / name, *which)

    def collect(self, name: str, manifest: Path) -> dict[str, Any]:
        places = ("--data", self.data, "--models", self.models, "--manifest", manifest)
        done = scoring("collect", *places, "--preds", self.folder / name, "--run", name, "--exit-zero")
        assert done.code == 0, done.err
        document: dict[str, Any] = json.loads((self.folder / name / "summary.json").read_bytes())
        return document

    def files(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.folder / name).glob("preds_*"))

    def rejects(self, name: str) -> list[str]:
        return (self.folder / name / "rejects.csv").read_text().splitlines()[1:]


@pytest.fixture
def tries(tmp_path: Path) -> Tries:
    return Tries(tmp_path)


def test_two_tries_predict_each_reading_once_and_report_each_reject_once(tries: Tries) -> None:
    everything = tries.manifest("first", None)
    for key in KEYS[:3]:
        tries.score("first", everything, "--key", key.encoded)
    first = tries.collect("first", everything)
    assert {one["sensor"]: one["status"] for one in first["sensors"]}["4"] == "missing"
    assert len(tries.rejects("first")) == 1

    rest = tries.manifest("second", ["1_4"])
    for key in KEYS:
        assert tries.score("second", rest, "--key", key.encoded).code == 0
    second = tries.collect("second", rest)
    assert [(one["sensor"], one["status"]) for one in second["sensors"]] == [("4", "scored")]
    assert (second["totals"]["readings"], second["totals"]["rejected"]) == (READINGS, 0)
    assert tries.rejects("second") == []
    assert [one["name"] for one in second["landings"]] == ["a.csv"]
    assert tries.files("first") == ["preds_1_1.csv", "preds_1_2.csv", "preds_1_3.csv"]
    assert tries.files("second") == ["preds_1_4.csv"]
    assert all((tries.folder / name / "_SUCCESS").exists() for name in ("first", "second"))


def test_a_step_whose_sensor_is_not_listed_reads_nothing(tries: Tries) -> None:
    rest = tries.manifest("second", ["1_4"])
    (tries.data / "a.csv").unlink()
    done = tries.score("second", rest, "--key", "1_1")
    assert (done.code, done.err) == (0, "")
    assert done.out == "1_1: nothing to score, the manifest does not list its sensors\n"
    assert not (tries.folder / "second").exists()


def test_a_shard_scores_its_listed_sensors_only(tries: Tries) -> None:
    rest = tries.manifest("second", ["1_2", "1_4"])
    for index in range(2):
        assert tries.score("second", rest, "--shard", f"{index}/2").code == 0
    assert tries.files("second") == ["preds_1_2.csv", "preds_1_4.csv"]
    document = tries.collect("second", rest)
    assert [one["sensor"] for one in document["sensors"]] == ["2", "4"]


def test_predictions_that_a_lost_step_wrote_before_its_outcome_are_removed(tries: Tries) -> None:
    """The next try makes them again, in its own folder."""
    everything = tries.manifest("first", None)
    for key in KEYS:
        tries.score("first", everything, "--key", key.encoded)
    (tries.folder / "first" / "_steps" / "1_4.json").unlink()
    tries.collect("first", everything)
    assert tries.files("first") == ["preds_1_1.csv", "preds_1_2.csv", "preds_1_3.csv"]


def test_an_engine_can_say_why_a_sensor_is_missing(tries: Tries) -> None:
    everything = tries.manifest("first", None)
    tries.score("first", everything, "--key", "1_1")
    lost = {"device": "1", "status": "missing", "reason": "it was killed"}
    sensors = [{**lost, "sensor": "2"}, {**lost, "sensor": "9"}]
    document = {"version": 1, "step": "shard", "sensors": sensors, "landings": []}
    (tries.folder / "first" / "_steps" / "shard.json").write_text(json.dumps(document))
    found = {one["sensor"]: one for one in tries.collect("first", everything)["sensors"]}
    assert (found["2"]["status"], found["2"]["reason"], found["2"]["readings"]) == (
        "missing",
        "it was killed",
        READINGS,
    )
    assert found["9"]["status"] in {"no-readings", "no-model"}


@pytest.mark.parametrize(
    "sensors", [["1"], ["1_4", "1_4"], [7], "1_4"], ids=["no key", "twice", "number", "text"]
)
def test_a_manifest_with_another_list_is_refused(tries: Tries, sensors: Any) -> None:
    done = tries.score("second", tries.manifest("second", sensors), "--key", "1_4")
    assert done.code != 0
    assert "is not the manifest of a run" in done.err


def test_a_list_of_sensors_is_for_steps(tries: Tries) -> None:
    done = tries.score("second", tries.manifest("second", ["1_4"]))
    assert done.code == 2
    assert "use --key or --shard" in done.err
