"""Results of runs: predictions fetched into a folder, a table of sensors with anomalies, the page of runs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.demo.fleet import for_make
from pipeline.engines.summary import read_status
from pipeline.errors import RunDocumentError
from pipeline.flow.context import Context
from pipeline.flow.status import View
from pipeline.pages.fetch import fetch
from pipeline.pages.index import write_index
from pipeline.pages.report import write_report
from pipeline.runs import history
from pipeline.runs.last import LastSweep
from pipeline.runs.record import RECORD_JSON, RunRecord, RunState
from scoring.formats import INDEX_HTML, NOT_SCORED, REPORT_HTML, SUMMARY_CSV, SUMMARY_JSON, LandingStatus

_LONGEST_TABLE = 20
_COLUMNS = ("device", "sensor", "readings", "anomalies", "share", "worst score")


@dataclass(frozen=True, slots=True)
class Results:
    """The fetched results of one run."""

    record: RunRecord
    folder: Path
    landings: Sequence[str]
    """Names of its blobs."""
    summary: Mapping[str, Any]
    """Without fields if the run has no summary."""

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.record.run

    @property
    def anomalous(self) -> list[Mapping[str, Any]]:
        """Sensors with anomalies, most anomalies first."""
        found = [sensor for sensor in self.summary.get("sensors", ()) if sensor["anomalies"]]
        return sorted(found, key=lambda sensor: (-sensor["anomalies"], sensor["device"], sensor["sensor"]))

    @property
    def totals(self) -> Mapping[str, int]:
        """Totals of the summary."""
        totals: Mapping[str, int] = self.summary.get("totals", {})
        return totals

    @property
    def what(self) -> str:
        """The blobs that it scored, for people."""
        count = len(self.landings)
        return f"{count:,} blobs" if count != 1 else self.landings[0]

    @property
    def error(self) -> str | None:
        """Why the run did not succeed."""
        return for_make(self.record.error) if self.record.error else None

    @property
    def is_complete(self) -> bool:
        """Whether everything was scored."""
        return self.record.state is RunState.SUCCEEDED and not self.problems

    @property
    def problems(self) -> list[str]:
        """Landings and sensors that were not scored, one line each; without any, why the run failed."""
        sensors = [
            f"sensor {sensor['device']}/{sensor['sensor']}: {sensor['status']}"
            + (f", {sensor['reason']}" if sensor["reason"] else "")
            for sensor in self.summary.get("sensors", ())
            if sensor["status"] in NOT_SCORED
        ]
        landings = [
            f"{landing['name']}: {landing['status']}"
            + (f", {landing['reason'].removeprefix(landing['name'] + ': ')}" if landing["reason"] else "")
            for landing in self.summary.get("landings", ())
            if landing["status"] != LandingStatus.READ
        ]
        if landings or sensors or self.record.state is RunState.SUCCEEDED:
            return [for_make(problem) for problem in landings + sensors]
        return [self.error or f"the run is {self.record.state}"]


def fetch_results(context: Context, view: View, out: Path) -> Results:
    """Download what a finished run has to `out`/<run>, and write its record and its report there."""
    record = view.record
    folder = out / record.run
    folder.mkdir(parents=True, exist_ok=True)
    fetch(context.store, record.run, folder)
    (folder / RECORD_JSON).write_bytes(record.to_bytes())
    path = folder / SUMMARY_JSON
    summary = json.loads(path.read_text("utf-8")) if path.exists() else {}
    landings = [landing.name for landing in context.runs.manifest(record.run).landings]
    write_report(record, view.steps, folder)
    return Results(record, folder, landings, summary)


def write_page(out: Path, swept: LastSweep, fleet: str | None) -> None:
    """Write `out`/index.html, which lists every run in `out`, the newest first.

    `swept` is the last sweep, and `fleet` the name of the page of the fleet in `out`.
    """
    folders = [folder for folder in out.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    rows = [row for folder in sorted(folders, reverse=True) if (row := _index_row(folder))]
    rows.sort(key=lambda row: row.get("started") or "", reverse=True)
    write_index(rows, out / INDEX_HTML, swept, fleet=fleet)


def _index_row(folder: Path) -> dict[str, Any] | None:
    """The row of one run, by its record; by its summary if there is no record beside it."""
    record, summary = folder / RECORD_JSON, folder / SUMMARY_JSON
    report = f"{folder.name}/{REPORT_HTML}" if (folder / REPORT_HTML).exists() else None
    try:
        if record.exists():
            return history.row(RunRecord.from_bytes(record.read_bytes(), str(record))) | {"report": report}
        if summary.exists():
            status = read_status(summary.read_bytes(), str(summary), ())
            readings = {"readings": "scored", "anomalies": "anomalies", "sensors": "sensors"}
            counts = {name: status.counts.get(total) for name, total in readings.items()}
            row = {"run": folder.name, "state": status.state.value, "error": status.error}
            return {**row, **counts, "report": report}
    except RunDocumentError as error:
        return {"run": folder.name, "state": "unknown", "error": str(error), "report": report}
    return None


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
