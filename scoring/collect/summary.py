"""The summary of a run, as JSON and CSV."""

import csv
import io
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.collect.rejects import LandingCount, RowCounter
from scoring.formats import (
    SUMMARY_COLUMNS,
    SUMMARY_CSV,
    SUMMARY_JSON,
    SUMMARY_VERSION,
    LandingStatus,
    SensorStatus,
)
from scoring.json_files import json_bytes
from scoring.keys import SensorKey
from scoring.models.files import missing
from scoring.step.outcome import (
    SensorOutcome,
    StepOutcome,
    by_key,
    json_row,
    row_of,
)

MOST_WITHOUT_READINGS = 1000
"""Up to this many models without readings are listed; more are only counted."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of a run: a row per sensor in order of their keys, a row per landing, and the totals."""

    run: str | None
    totals: dict[str, int]
    sensors: list[dict[str, Any]]
    landings: list[LandingCount]

    def write(self, out: Path) -> None:
        """Write both files; `mark` the folder as finished afterwards."""
        document = {
            "version": SUMMARY_VERSION,
            "run": self.run,
            "totals": self.totals,
            "sensors": [json_row(row) for row in self.sensors],
            "landings": [asdict(landing) for landing in self.landings],
        }
        write_atomically(out / SUMMARY_JSON, json_bytes(document))
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(SUMMARY_COLUMNS)
        table.writerows(row.values() for row in self.sensors)
        write_atomically(out / SUMMARY_CSV, text.getvalue().encode())


def summarize(
    run: str | None,
    counter: RowCounter,
    outcomes: Iterable[StepOutcome],
    models: Collection[SensorKey],
    listed: frozenset[SensorKey] | None = None,
) -> Summary:
    """Combine the outcomes of the steps, the counted rows and the models, or those of `listed`."""
    outcomes = list(outcomes)
    scored = by_key(outcomes)
    if listed is not None:
        models = listed.intersection(models)
        scored = {key: outcome for key, outcome in scored.items() if key in listed}
    # A key that appears only in rejected rows is not a sensor, unless it has a model.
    rejected = {key for key in counter.rejected if key in models}
    keys = {key for key, count in counter.readings.items() if count} | rejected | set(scored)
    idle = sorted(key for key in models if key not in keys)
    sensors = {key: _final_outcome(key, scored.get(key), counter, models) for key in keys}
    without_readings = [key for key in keys if sensors[key].status is SensorStatus.NO_READINGS]
    if len(idle) <= MOST_WITHOUT_READINGS:
        sensors |= {key: _outcome(key, SensorStatus.NO_READINGS) for key in idle}
    landings = _landings(counter, outcomes)
    rows = [_row(sensors[key], counter) for key in sorted(sensors)]
    status = [row["status"] for row in rows]
    totals = {
        "readings": counter.readings.total(),
        "scored": sum(row["readings"] for row in rows if row["status"] == SensorStatus.SCORED),
        "rejected": sum(landing.rejected for landing in landings),
        "anomalies": sum(row["anomalies"] for row in rows),
        "sensors": len(rows) - status.count(SensorStatus.NO_READINGS),
        "sensors_scored": status.count(SensorStatus.SCORED),
        "sensors_failed": status.count(SensorStatus.FAILED),
        "sensors_without_model": status.count(SensorStatus.NO_MODEL),
        "sensors_missing": status.count(SensorStatus.MISSING),
        "models_without_readings": len(idle) + len(without_readings),
        "landings": len(landings),
        "landings_read": sum(landing.status is LandingStatus.READ for landing in landings),
    }
    return Summary(run, totals, rows, landings)


def _final_outcome(
    key: SensorKey, outcome: SensorOutcome | None, counter: RowCounter, models: Collection[SensorKey]
) -> SensorOutcome:
    readings = counter.readings[key]
    lost = outcome is not None and outcome.status is SensorStatus.MISSING
    if outcome and not lost:
        return outcome
    if key not in models:
        return _outcome(key, SensorStatus.NO_MODEL, missing(key.model_name), readings)
    if not readings:
        return _outcome(key, SensorStatus.NO_READINGS)
    reason = "no step wrote a result: its step was lost, or the model is newer than the published pipeline"
    reason = (outcome and outcome.reason) or reason
    return _outcome(key, SensorStatus.MISSING, reason, readings)


def _outcome(
    key: SensorKey, status: SensorStatus, reason: str | None = None, readings: int = 0
) -> SensorOutcome:
    return SensorOutcome(key.device, key.sensor, status, reason, readings)


def _row(outcome: SensorOutcome, counter: RowCounter) -> dict[str, Any]:
    key = outcome.key
    file = key.preds_name if outcome.status is SensorStatus.SCORED and outcome.readings else None
    facts = row_of(outcome) | {"rejected": counter.rejected[key], "file": file}
    return {column: facts[column] for column in SUMMARY_COLUMNS}


def _landings(counter: RowCounter, outcomes: list[StepOutcome]) -> list[LandingCount]:
    """The landings as counted; where a step found one in another status, that status and the step."""
    landings = {name: LandingCount(**asdict(landing)) for name, landing in counter.landings.items()}
    for outcome in outcomes:
        for found in outcome.landings:
            landing = landings.get(found.name)
            if landing and landing.status is LandingStatus.READ and found.status is not LandingStatus.READ:
                landing.status = found.status
                landing.reason = found.reason or f"found by step {outcome.step}"
    return [landings[name] for name in sorted(landings)]
