"""The summary of a run, as JSON and CSV: outcome, totals, and a row per sensor, landing and reject kind."""

import csv
import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.collect.outcome import Outcome, landing_outcome, run_outcome
from scoring.collect.rejects import LandingCount, RowCounter, largest_first
from scoring.formats import (
    LEAST_EPISODE,
    MAX_REJECTED,
    SUMMARY_COLUMNS,
    SUMMARY_CSV,
    SUMMARY_JSON,
    SUMMARY_VERSION,
    WAS_READ,
    WITHOUT_READINGS,
    LandingStatus,
    SensorStatus,
)
from scoring.json_files import json_bytes
from scoring.keys import SensorKey
from scoring.models.files import missing
from scoring.printable import cell, printable
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
class Rules:
    """What the owner of a fleet expects of a run."""

    max_rejected: float = MAX_REJECTED
    """A run that succeeds has up to this share of the rows of each landing rejected."""
    expected: frozenset[SensorKey] = frozenset()
    """Sensors that should have sent readings, by the list of their owner."""
    brought: frozenset[SensorKey] = frozenset()
    """Without a list: the sensors that the last landing like this one brought."""
    least_episode: int = LEAST_EPISODE
    """The number of anomalies that makes an episode worth counting."""

    def expected_of(self, models: Collection[SensorKey]) -> frozenset[SensorKey]:
        """The sensors that should have sent readings, in a fleet with these models."""
        return self.expected or self.brought.intersection(models)


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of a run: a row per sensor in order of their keys, a row per landing, and the totals."""

    run: str | None
    outcome: Outcome
    totals: dict[str, int]
    sensors: list[dict[str, Any]]
    landings: list[LandingCount]
    outcomes: list[SensorOutcome]
    """Of the sensors, in the same order."""
    least_episode: int

    def to_bytes(self) -> bytes:
        """The JSON document."""
        document = {
            "version": SUMMARY_VERSION,
            "run": self.run,
            "state": self.outcome.state,
            "reasons": self.outcome.reasons,
            "totals": self.totals,
            "least_episode": self.least_episode,
            "rejects": [group.row() for group in largest_first(each.groups for each in self.landings)],
            "sensors": [json_row(row) for row in self.sensors],
            "landings": [landing.row() for landing in self.landings],
        }
        return json_bytes(document)

    def write(self, out: Path) -> None:
        """Write both files; `mark` the folder as finished afterwards."""
        write_atomically(out / SUMMARY_JSON, self.to_bytes())
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(SUMMARY_COLUMNS)
        table.writerows([_csv_value(value) for value in row.values()] for row in self.sensors)
        write_atomically(out / SUMMARY_CSV, text.getvalue().encode())


def _csv_value(value: Any) -> Any:
    return cell(printable(value)) if isinstance(value, str) else value


def summarize(
    run: str | None,
    counter: RowCounter,
    outcomes: Iterable[StepOutcome],
    models: Collection[SensorKey],
    rules: Rules,
    *,
    listed: frozenset[SensorKey] | None = None,
) -> Summary:
    """Combine the outcomes of the steps, the counted rows, the models and the expected sensors.

    With `listed`, those of the listed sensors only: an earlier try of the run has the others.
    """
    outcomes = list(outcomes)
    scored = by_key(outcomes)
    expected = rules.expected_of(models)
    if listed is not None:
        models, expected = listed.intersection(models), expected & listed
        scored = {key: outcome for key, outcome in scored.items() if key in listed}
    # A key that appears only in rejected rows is not a sensor, unless it has a model or is expected.
    rejected = {key for key in counter.rejected if key in models or key in expected}
    keys = {key for key, count in counter.readings.items() if count} | rejected | set(scored)
    keys |= expected
    idle = sorted(key for key in models if key not in keys)
    sensors = {key: _final_outcome(key, scored.get(key), counter, models, expected) for key in keys}
    if len(idle) <= MOST_WITHOUT_READINGS:
        sensors |= {key: _outcome(key, SensorStatus.NO_READINGS) for key in idle}
    landings = _landings(counter, outcomes, rules.max_rejected)
    final = [sensors[key] for key in sorted(sensors)]
    rows = [_row(outcome, counter) for outcome in final]
    unlisted = sum(key not in sensors for key in idle)
    totals = _totals(counter, rows, landings, unlisted=unlisted, any_expected=bool(expected))
    totals |= _episodes(final, rules.least_episode) | _unlisted(final)
    outcome = run_outcome(rows, landings, totals)
    return Summary(run, outcome, totals, rows, landings, final, rules.least_episode)


def _totals(
    counter: RowCounter,
    rows: list[dict[str, Any]],
    landings: list[LandingCount],
    *,
    unlisted: int,
    any_expected: bool,
) -> dict[str, int]:
    """The totals; `unlisted` are the models without readings that have no row.

    Where it is known which sensors are expected, the others belong to other landings: they do not count as
    sensors that sent nothing.
    """
    status = [row["status"] for row in rows]
    without = [row for row in rows if row["status"] in WITHOUT_READINGS]
    silent = status.count(SensorStatus.SILENT)
    return {
        "readings": counter.readings.total() + counter.limit.unlisted,
        "readings_unlisted": counter.limit.unlisted,
        "scored": sum(row["readings"] for row in rows if row["status"] == SensorStatus.SCORED),
        "rejected": sum(landing.rejected for landing in landings),
        "anomalies": sum(row["anomalies"] for row in rows),
        "sensors": len(rows) - len(without),
        "sensors_scored": status.count(SensorStatus.SCORED),
        "sensors_failed": status.count(SensorStatus.FAILED),
        "sensors_without_model": status.count(SensorStatus.NO_MODEL),
        "sensors_missing": status.count(SensorStatus.MISSING),
        "sensors_silent": silent,
        "sensors_without_rows": silent
        if any_expected
        else sum(not row["rejected"] for row in without) + unlisted,
        "models_without_readings": status.count(SensorStatus.NO_READINGS) + unlisted,
        "landings": len(landings),
        "landings_read": sum(landing.status in WAS_READ for landing in landings),
    }


def _episodes(sensors: Iterable[SensorOutcome], least: int) -> dict[str, int]:
    counts = [sum(each.readings >= least for each in sensor.episodes) for sensor in sensors]
    return {"episodes": sum(counts), "sensors_in_episodes": sum(count > 0 for count in counts)}


def _unlisted(sensors: Iterable[SensorOutcome]) -> dict[str, int]:
    """What a step has counted and not kept, because days or episodes were too many."""
    with_days = [sensor for sensor in sensors if sensor.days]
    return {
        "readings_on_unlisted_days": sum(
            sensor.readings - sum(day.readings for day in sensor.days) for sensor in with_days
        ),
        "anomalies_in_unlisted_episodes": sum(
            sensor.anomalies - sum(episode.readings for episode in sensor.episodes) for sensor in with_days
        ),
    }


def _final_outcome(
    key: SensorKey,
    outcome: SensorOutcome | None,
    counter: RowCounter,
    models: Collection[SensorKey],
    expected: Collection[SensorKey],
) -> SensorOutcome:
    readings, rejected = counter.readings[key], counter.rejected[key]
    status = outcome.status if outcome else None
    if outcome and status not in {SensorStatus.NO_READINGS, SensorStatus.MISSING}:
        # An engine that records a failed step does not know which readings its sensors have.
        days = outcome.days or counter.days.get(key, [])
        outcome = replace(outcome, readings=outcome.readings or readings, days=days)
        if status is SensorStatus.NO_MODEL:
            outcome.reason = outcome.reason or missing(key.model_name)
        return outcome
    if not readings and rejected:
        return _outcome(key, SensorStatus.NO_READINGS, f"all of its rows were rejected ({rejected:,})")
    if not readings or status is SensorStatus.NO_READINGS:
        return _outcome(key, SensorStatus.SILENT if key in expected else SensorStatus.NO_READINGS)
    if key not in models:
        without = _outcome(key, SensorStatus.NO_MODEL, missing(key.model_name), readings)
        return replace(without, days=counter.days.get(key, []))
    reason = "no step wrote a result: its step was lost, or the model is newer than the published pipeline"
    return _outcome(key, SensorStatus.MISSING, (outcome and outcome.reason) or reason, readings)


def _outcome(
    key: SensorKey, status: SensorStatus, reason: str | None = None, readings: int = 0
) -> SensorOutcome:
    return SensorOutcome(key.device, key.sensor, status, reason, readings)


def _row(outcome: SensorOutcome, counter: RowCounter) -> dict[str, Any]:
    key = outcome.key
    file = key.preds_name if outcome.status is SensorStatus.SCORED and outcome.readings else None
    facts = row_of(outcome) | {"rejected": counter.rejected[key], "file": file}
    return {column: facts[column] for column in SUMMARY_COLUMNS}


def _landings(counter: RowCounter, outcomes: list[StepOutcome], max_rejected: float) -> list[LandingCount]:
    """The landings as counted; where a step found one in another status, that status and the step."""
    landings = {name: replace(landing) for name, landing in counter.landings.items()}
    for outcome in outcomes:
        for found in outcome.landings:
            landing = landings.get(found.name)
            if landing and landing.status is LandingStatus.READ and found.status is not LandingStatus.READ:
                landing.status = found.status
                landing.reason = found.reason or f"found by step {outcome.step}"
    for landing in landings.values():
        landing.status, landing.reason = landing_outcome(landing, max_rejected)
    return [landings[name] for name in sorted(landings)]
