"""Results of a run: predictions fetched into a folder, and a table of sensors with anomalies."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.pages.fetch import fetch
from pipeline.storage.account import Store
from scoring.formats import NOT_SCORED, SUMMARY_CSV, SUMMARY_JSON, LandingStatus

_LONGEST_TABLE = 20
_COLUMNS = ("device", "sensor", "readings", "anomalies", "share", "worst score")


@dataclass(frozen=True, slots=True)
class Results:
    """The fetched results of one run."""

    run: str
    folder: Path
    summary: Mapping[str, Any]

    @property
    def anomalous(self) -> list[Mapping[str, Any]]:
        """Sensors with anomalies, most anomalies first."""
        found = [sensor for sensor in self.summary["sensors"] if sensor["anomalies"]]
        return sorted(found, key=lambda sensor: (-sensor["anomalies"], sensor["device"], sensor["sensor"]))

    @property
    def totals(self) -> Mapping[str, int]:
        """Totals of the summary."""
        totals: Mapping[str, int] = self.summary["totals"]
        return totals

    @property
    def problems(self) -> list[str]:
        """Sensors and landings that were not scored, with the reason, one line each."""
        sensors = [
            f"sensor {sensor['device']}/{sensor['sensor']}: {sensor['status']}"
            + (f", {sensor['reason']}" if sensor["reason"] else "")
            for sensor in self.summary["sensors"]
            if sensor["status"] in NOT_SCORED
        ]
        landings = [
            f"{landing['name']}: {landing['status']}"
            + (f", {landing['reason']}" if landing["reason"] else "")
            for landing in self.summary["landings"]
            if landing["status"] != LandingStatus.READ
        ]
        return landings + sensors


def fetch_results(store: Store, run: str, out: Path) -> Results:
    """Download the results of a run to `out`/<run>."""
    folder = out / run
    fetch(store, run, folder)
    return Results(run, folder, json.loads((folder / SUMMARY_JSON).read_text(encoding="utf-8")))


def table(sensors: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Lines of a table of sensors; no lines without sensors."""
    if not sensors:
        return
    rows = [_COLUMNS, *(_row(sensor) for sensor in sensors[:_LONGEST_TABLE])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
    if len(sensors) > _LONGEST_TABLE:
        yield f"  ... and {len(sensors) - _LONGEST_TABLE:,} more: see {SUMMARY_CSV}"


def _row(sensor: Mapping[str, Any]) -> tuple[str, ...]:
    worst = sensor["worst"]
    return (
        sensor["device"],
        sensor["sensor"],
        f"{sensor['readings']:,}",
        f"{sensor['anomalies']:,}",
        f"{sensor['anomalies'] / sensor['readings']:.1%}",
        "" if worst is None else f"{float(worst):.4g}",
    )
