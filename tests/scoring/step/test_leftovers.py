"""Scoring into a folder again: results of an earlier scoring are not mistaken for new ones."""

import json
import os
import shutil
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
SHARDS = [["--shard", "0/2"], ["--shard", "1/2"]]


class Place:
    """Readings and models of four sensors, and the folder for their predictions."""

    def __init__(self, folder: Path) -> None:
        self.data, self.models, self.out = folder / "readings.csv", folder / "models", folder / "out"
        self.lay(KEYS)

    def lay(self, keys: list[SensorKey]) -> None:
        rows = [f"2026-01-01 00:00:0{second},{k.device},{k.sensor},50" for k in keys for second in range(9)]
        self.data.write_text("\n".join(["TS,Device,Sensor,Value", *rows, ""]))

    def score(self, *more: object) -> CommandResult:
        return scoring("score", "--data", self.data, "--models", self.models, "--out", self.out, *more)

    def collect(self, models: Path | None = None) -> CommandResult:
        return scoring("collect", "--data", self.data, "--models", models or self.models, "--preds", self.out)

    def break_model(self, key: SensorKey) -> None:
        (self.models / key.model_name).write_bytes(b"broken")

    def finished(self) -> bool:
        return (self.out / "_SUCCESS").exists()

    @property
    def predictions(self) -> list[str]:
        return sorted(path.name for path in self.out.glob("preds_*"))

    @property
    def sensors(self) -> dict[str, dict[str, Any]]:
        document = json.loads((self.out / "summary.json").read_bytes())
        return {sensor["sensor"]: sensor for sensor in document["sensors"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    normal = np.random.default_rng(0).normal(50, 10, (50, 1))
    for key in KEYS:
        save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(normal), folder, key)
    return folder


@pytest.fixture
def place(tmp_path: Path, models: Path) -> Place:
    shutil.copytree(models, tmp_path / "models")
    return Place(tmp_path)


def names(keys: list[SensorKey]) -> list[str]:
    return [key.preds_name for key in keys]


@pytest.mark.parametrize("steps", [[[]], SHARDS, [["--key", key.encoded] for key in KEYS]])
def test_a_sensor_that_fails_has_no_predictions_of_an_earlier_scoring(
    place: Place, steps: list[list[str]]
) -> None:
    place.score()
    place.break_model(KEYS[0])
    for step in steps:
        place.score(*step)
    assert place.predictions == names(KEYS[1:])


@pytest.mark.parametrize("steps", [[[]], SHARDS, [["--key", key.encoded] for key in KEYS]])
def test_a_sensor_without_readings_has_no_predictions_of_an_earlier_scoring(
    place: Place, steps: list[list[str]]
) -> None:
    place.score()
    place.lay(KEYS[2:])
    for step in steps:
        place.score(*step)
    assert place.predictions == names(KEYS[2:])


@pytest.mark.parametrize("step", [*SHARDS, ["--key", KEYS[0].encoded]], ids=["first", "second", "key"])
def test_a_step_removes_nothing_of_other_steps(place: Place, step: list[str]) -> None:
    for shard in SHARDS:
        place.score(*shard)
    foreign = place.out / ".partial-other"
    foreign.mkdir()
    (place.out / ".0123456789abcdef.partial").touch()
    (place.out / "preds_notes.csv").touch()
    before = {path for path in place.out.rglob("*") if path.is_file()}
    assert place.score(*step).code == 0
    assert before <= {path for path in place.out.rglob("*") if path.is_file()}
    assert foreign.exists()


@pytest.mark.parametrize("step", [SHARDS[0], ["--key", KEYS[0].encoded]], ids=["shard", "key"])
def test_a_step_removes_the_mark_of_a_finished_folder(place: Place, step: list[str]) -> None:
    place.score()
    assert place.finished()
    place.score(*step)
    assert not place.finished()
    place.collect()
    assert place.finished()


def test_outcomes_of_earlier_steps_are_removed_when_everything_is_scored(place: Place) -> None:
    for shard in SHARDS:
        place.score(*shard)
    place.lay(KEYS[:1])
    place.score()
    whole = place.sensors
    assert place.collect().err == ""
    assert place.sensors == whole
    assert [sensor["readings"] for sensor in whole.values()] == [9, 0, 0, 0]


def test_a_killed_step_has_no_outcome_of_an_earlier_scoring(place: Place) -> None:
    place.score("--key", KEYS[0].encoded)
    place.collect()
    (place.out / KEYS[0].preds_name).unlink()
    (place.out / KEYS[0].preds_name).mkdir()  # so that moving the file there fails
    assert place.score("--key", KEYS[0].encoded).code != 0
    place.collect()
    assert place.sensors["1"]["status"] == "missing"


def test_of_two_outcomes_of_a_sensor_the_newest_counts_with_a_notice(place: Place) -> None:
    place.score()
    place.break_model(KEYS[0])
    place.score("--key", KEYS[0].encoded)
    os.utime(place.out / "_steps" / "all.json", (1, 1))
    result = place.collect()
    duplicates = "1 sensor was scored by several steps, the first is 1/1 by 1_1 and all"
    assert result.err.splitlines()[0] == f"{duplicates}: the newest outcome counts"
    assert [place.sensors[sensor]["status"] for sensor in "1234"] == ["failed", *["scored"] * 3]
    os.utime(place.out / "_steps" / "1_1.json", (0, 0))
    place.collect()
    assert place.sensors["1"]["status"] == "scored"


@pytest.mark.parametrize("finish", [Place.score, Place.collect], ids=["score", "collect"])
def test_incomplete_files_of_killed_processes_are_removed_by_score_and_collect(
    place: Place, finish: Any
) -> None:
    for shard in SHARDS:
        place.score(*shard)
    for folder in (place.out, place.out / "_steps"):
        (folder / ".4dbf6a0011223344.partial").touch()
    (place.out / ".partial-all").mkdir()
    (place.out / ".partial-all" / KEYS[0].preds_name).touch()
    (place.out / ".hidden.partial").touch()
    assert finish(place).code == 0
    hidden = [path.name for path in place.out.rglob(".*")]
    assert hidden == [".hidden.partial"]


def test_a_mistake_in_collect_does_not_unmark_a_finished_folder(place: Place) -> None:
    place.score()
    assert place.collect(models=place.models / "typo").code == 2
    assert place.finished()
    (place.out / "_steps" / "x.json").write_text("[]")
    assert place.collect().code == 1
    assert place.finished()
