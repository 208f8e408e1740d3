"""Creates the folder of a finished run, as `collect` writes it, without scoring anything."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from scoring.formats import (
    EPISODE_COLUMNS,
    EPISODES_CSV,
    PREDICTION_COLUMNS,
    REJECT_COLUMNS,
    REJECTS_CSV,
    SUMMARY_COLUMNS,
    SUMMARY_CSV,
    SUMMARY_JSON,
    SUMMARY_VERSION,
    WITHOUT_READINGS,
    Direction,
    LandingStatus,
    RejectKind,
    RunOutcome,
    SensorStatus,
)
from scoring.keys import SensorKey

LOW, HIGH = 40.0, 60.0
"""Between these a value is normal; its score is the distance to the nearer of them."""

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class MadeSensor:
    """A sensor and its values, one every `seconds`; without values it was not scored."""

    device: str
    sensor: str
    values: Sequence[float] = ()
    status: SensorStatus = SensorStatus.SCORED
    reason: str | None = None
    readings: int | None = None
    rejected: int = 0
    seconds: float = 5.0
    model: str = "ab" * 32

    @property
    def scores(self) -> list[float]:
        return [min(value - LOW, HIGH - value) for value in self.values]

    def write(self, folder: Path) -> dict[str, object]:
        """Write the predictions; returns the row of the summary."""
        name = SensorKey(self.device, self.sensor).preds_name
        times = [
            f"{START + timedelta(seconds=i * self.seconds):%Y-%m-%d %H:%M:%S.%f}"
            for i in range(len(self.values))
        ]
        if self.values:
            with (folder / name).open("w", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(PREDICTION_COLUMNS)
                for time, value, score in zip(times, self.values, self.scores, strict=True):
                    table.writerow(
                        [time, self.device, self.sensor, repr(value), int(score <= 0), repr(score)]
                    )
        facts = {
            "device": self.device,
            "sensor": self.sensor,
            "status": self.status,
            "reason": self.reason,
            "readings": len(self.values) if self.readings is None else self.readings,
            "rejected": self.rejected,
            "anomalies": sum(score <= 0 for score in self.scores),
            "first": times[0] if times else None,
            "last": times[-1] if times else None,
            "worst": min(self.scores) if times else None,
            "model": self.model if times else None,
            "file": name if times else None,
        }
        return {column: facts[column] for column in SUMMARY_COLUMNS}


@dataclass(frozen=True)
class MadeRun:
    """The results of a run."""

    sensors: list[MadeSensor]
    run: str | None = "blob-0123456789abcdef0123456789abcdef"
    landings: list[dict[str, object]] = field(default_factory=list)
    rejects: list[list[str]] = field(default_factory=list)
    state: RunOutcome = RunOutcome.SUCCEEDED
    reasons: list[str] = field(default_factory=list)
    episodes: list[tuple[object, ...]] = field(default_factory=list)
    """Rows of `episodes.csv`; without any, there is no such file, as in a run of an earlier version."""
    unlisted: int = 0
    """Models without readings that have no row."""

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        rows = sorted(
            (each.write(folder) for each in self.sensors), key=lambda row: (row["device"], row["sensor"])
        )
        landings = self.landings or [landing("2026/01/01/site-a.csv")]
        (folder / SUMMARY_JSON).write_text(
            json.dumps(
                {
                    "version": SUMMARY_VERSION,
                    "run": self.run,
                    "state": self.state,
                    "reasons": self.reasons,
                    "rejects": self._groups(),
                    "totals": self._totals(rows, landings),
                    "sensors": rows,
                    "landings": landings,
                }
            )
        )
        with (folder / REJECTS_CSV).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([REJECT_COLUMNS, *self.rejects])
        (folder / SUMMARY_CSV).touch()
        if self.episodes:
            with (folder / EPISODES_CSV).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([EPISODE_COLUMNS, *self.episodes])
        return folder

    def _groups(self) -> list[dict[str, object]]:
        if not self.rejects:
            return []
        file, line, reason = self.rejects[0][:3]
        first = {
            "file": file,
            "line": int(line) if line.isdecimal() else 1,
            "reason": reason,
            "hint": "decimal comma?",
        }
        return [{"kind": RejectKind.VALUE, "count": len(self.rejects), **first}]

    def _totals(self, rows: list[dict[str, object]], landings: list[dict[str, object]]) -> dict[str, int]:
        status = [row["status"] for row in rows]
        return {
            "readings": sum(int(str(row["readings"])) for row in rows),
            "scored": sum(len(each.values) for each in self.sensors),
            "rejected": len(self.rejects),
            "anomalies": sum(int(str(row["anomalies"])) for row in rows),
            "sensors": sum(each not in WITHOUT_READINGS for each in status),
            "sensors_scored": status.count(SensorStatus.SCORED),
            "sensors_failed": status.count(SensorStatus.FAILED),
            "sensors_without_model": status.count(SensorStatus.NO_MODEL),
            "sensors_missing": status.count(SensorStatus.MISSING),
            "models_without_readings": status.count(SensorStatus.NO_READINGS) + self.unlisted,
            "sensors_without_rows": sum(row["status"] in WITHOUT_READINGS for row in rows) + self.unlisted,
            "landings": len(landings),
            "landings_read": sum(each["status"] == LandingStatus.READ for each in landings),
        }


def landing(
    name: str, status: LandingStatus = LandingStatus.READ, reason: str | None = None
) -> dict[str, object]:
    """A landing's row of the summary."""
    return {"name": name, "status": status, "reason": reason, "readings": 0, "rejected": 0}


def episode(device: str, sensor: str, first: int, last: int, *, end: int = 719) -> tuple[object, ...]:
    """A row of `episodes.csv`: from one of the readings of a sensor to another; `end` is its last reading."""
    at = [f"{START + timedelta(seconds=5.0 * place):%Y-%m-%dT%H:%M:%SZ}" for place in (first, last, end)]
    return device, sensor, at[0], at[1], last - first + 1, at[0], "66.0", "-6.0", Direction.HIGH, "30", at[2]


def normal(count: int, seed: int = 0) -> list[float]:
    """Values between the boundaries, with two decimals."""
    rng = np.random.default_rng(seed)
    drift = np.sin(np.arange(count) / 40 + seed)
    return [
        round(float(value), 2)
        for value in np.clip(50 + 3 * drift + rng.normal(0, 1.2, count), LOW + 0.5, HIGH - 0.5)
    ]


def with_spikes(count: int, places: Sequence[int], seed: int = 0) -> list[float]:
    """Normal values, except those at `places`, which are too high."""
    values = normal(count, seed)
    for place in places:
        values[place] = 63.0 + place % 7
    return values
