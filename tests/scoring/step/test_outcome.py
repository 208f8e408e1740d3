"""What steps say of their work: read back as it was said, and refused where it is something else."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from scoring.errors import ScoringError
from scoring.formats import OUTCOMES_FOLDER, LandingStatus, SensorStatus
from scoring.readings.files import FoundLanding
from scoring.step.outcome import SensorOutcome, StepOutcome, read_outcomes

SENSOR = {"device": "1", "sensor": "2", "status": "scored", "readings": 3, "worst": -0.5}
LANDING = {"name": "a.csv", "status": "read", "reason": None}


def said(out: Path, text: str) -> list[StepOutcome]:
    (out / OUTCOMES_FOLDER).mkdir()
    (out / OUTCOMES_FOLDER / "x.json").write_text(text)
    return read_outcomes(out)


def outcome(sensor: Any = SENSOR, landing: Any = LANDING) -> str:
    return json.dumps({"version": 1, "step": "x", "sensors": [sensor], "landings": [landing]})


@pytest.mark.parametrize("worst", [None, 0.0, -0.25, -math.inf, math.inf])
def test_what_a_step_said_is_read_back_from_json_without_numbers_that_json_has_not(
    tmp_path: Path, worst: float | None
) -> None:
    sensor = SensorOutcome("1", "2", SensorStatus.SCORED, None, 3, 1, "a", "b", worst, "c0ffee")
    step = StepOutcome("1_2", [sensor], [FoundLanding("a.csv", LandingStatus.READ, None)])
    step.write(tmp_path)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    json.loads((tmp_path / OUTCOMES_FOLDER / "1_2.json").read_bytes(), parse_constant=refuse)
    assert read_outcomes(tmp_path) == [step]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "[]",
        outcome(SENSOR | {"device": 5}),
        outcome(SENSOR | {"device": ""}),
        outcome(SENSOR | {"status": "fine"}),
        outcome(SENSOR | {"readings": "a"}),
        outcome(SENSOR | {"readings": True}),
        outcome(SENSOR | {"anomalies": 0.5}),
        outcome(SENSOR | {"first": 1}),
        outcome(SENSOR | {"worst": "low"}),
        outcome(SENSOR | {"worst": math.nan}),
        outcome([1]),
        outcome({}),
        outcome(SENSOR, LANDING | {"name": None}),
        outcome(SENSOR, {}),
    ],
    ids=[
        "deep",
        "list",
        "device",
        "key",
        "status",
        "text",
        "truth",
        "part",
        "first",
        "word",
        "nan",
        "row",
        "nothing",
        "landing",
        "no-landing",
    ],
)
def test_what_is_no_outcome_is_told_with_its_file_and_what_to_do(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScoringError, match=r"x\.json is not the outcome of a step: .*; run that step again"):
        said(tmp_path, text)


def test_a_field_that_was_added_later_is_ignored(tmp_path: Path) -> None:
    [step] = said(tmp_path, outcome(SENSOR | {"colour": "red"}))
    assert step.sensors[0].readings == 3


def test_a_row_that_tells_only_that_its_step_failed_is_an_outcome(tmp_path: Path) -> None:
    row = {"device": "1", "sensor": "2", "status": "failed", "reason": "it took too long"}
    [step] = said(tmp_path, outcome(row))
    assert step.sensors == [SensorOutcome("1", "2", SensorStatus.FAILED, "it took too long")]
