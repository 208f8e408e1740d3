"""`report.html`: the top of the page as plain HTML, all else as data that its script draws."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.report.attention import Attention
from scoring.report.charts import FindDetector, Told, tell
from scoring.report.earlier import earlier_boundaries
from scoring.report.facts import RunFacts
from scoring.report.findings import GLYPHS, findings, headline, headline_without_summary, run_findings
from scoring.report.folder import SUMMARY_NAME, Folder, Rejects
from scoring.report.formatting import percent
from scoring.report.frame import frame, name, template, text, visible
from scoring.report.html import (
    finding_list,
    landing_table,
    reject_table,
    run_line,
    tile_list,
    tiles,
    times,
    trouble_table,
)
from scoring.report.timeline import When

REPORT_NAME = "report.html"

_STYLES = ("look.css", "report.css")
_SCRIPTS = (
    "dom.js",
    "decode.js",
    "paint.js",
    "share.js",
    "when.js",
    "plot.js",
    "grid.js",
    "sensors.js",
    "report.js",
)

_REJECTS_SHOWN = 20


def write_report(
    preds: Path, facts: RunFacts | None = None, find_detector: FindDetector | None = None
) -> Path:
    """Write `report.html` into the folder of a run; the same folder gives the same bytes.

    Args:
        preds: the folder, with its summary, rejects and predictions. Where there is no summary, the page
            tells what the facts say.
        facts: what else is known of the run.
        find_detector: where models are at hand, boundaries are exact; without, they are those of an earlier
            page in the folder, or read off the scores.

    Raises:
        ScoringError: there is no summary, nor facts that say why, or it cannot be read.
        OutputError: the page cannot be written.
    """
    path = preds / REPORT_NAME
    facts = facts or RunFacts()
    if facts.state and not (preds / SUMMARY_NAME).exists():
        return _write_unfinished(path, facts)
    folder = Folder.read(preds)
    rejects = Rejects.read(preds, _REJECTS_SHOWN)
    facts = replace(facts, run=facts.run or folder.run)
    when = When(folder.sensors)
    told = tell(folder, find_detector or _no_detector, when, earlier_boundaries(path))
    body = _body(folder, rejects, facts, told, when)
    title = f"{facts.run or 'Run'}: {headline(told)}"
    write_atomically(path, frame(title, body, _data(told, when), _STYLES, _SCRIPTS))
    return path


def _write_unfinished(path: Path, facts: RunFacts) -> Path:
    """The page of a run that left no summary: what went wrong, or how far it is."""
    title = headline_without_summary(facts.state)
    found = list(run_findings(facts))
    body = template("unfinished.html").substitute(
        headline=text(title),
        run=run_line(facts, []),
        tiles=tile_list(times(facts)),
        findings=finding_list(found, 0) if found else "",
        troubles=trouble_table(facts.troubles),
        name=name(facts.run or "RUN"),
    )
    write_atomically(path, frame(f"{facts.run or 'Run'}: {title}", body, {}, _STYLES, ()))
    return path


def _no_detector(_: object) -> None:
    return None


def _data(told: list[Told], when: When) -> dict[str, Any]:
    """What the script draws; sensors as columns, since there may be 20,000 of them."""
    sensors = [each.ranked.sensor for each in told]
    groups = list(Attention)
    charts = [each.chart for each in told if each.chart]
    positions = iter(range(len(charts)))
    return {
        "groups": [
            {"name": group.value[0], "what": group.value[1], "glyph": GLYPHS[group]} for group in groups
        ],
        "sensors": {
            "device": [visible(sensor.device) for sensor in sensors],
            "sensor": [visible(sensor.sensor) for sensor in sensors],
            "status": [sensor.status for sensor in sensors],
            "group": [groups.index(each.ranked.attention) for each in told],
            "readings": [sensor.readings for sensor in sensors],
            "anomalies": [sensor.anomalies for sensor in sensors],
            "percent": [percent(sensor.share) for sensor in sensors],
            "file": [sensor.file for sensor in sensors],
            "why": [visible(each.why) for each in told],
            "chart": [next(positions) if each.chart else None for each in told],
        },
        "charts": charts,
        "when": when.counts(),
    }


def _body(folder: Folder, rejects: Rejects, facts: RunFacts, told: list[Told], when: When) -> str:
    drawn = [each for each in told if each.chart]
    listed = sum(each.ranked.sensor.file is not None for each in told) - len(drawn)
    exact = any(each.chart and each.chart["exact"] for each in drawn)
    return template("report.html").substitute(
        headline=text(headline(told)),
        run=run_line(facts, folder.landings),
        tiles=tiles(folder, facts, when),
        findings=finding_list(findings(folder, rejects, told, facts), folder.totals["readings"]),
        drawn="all scored sensors"
        if not listed
        else f"the {len(drawn):,} sensor{'s' if len(drawn) != 1 else ''} with a chart",
        listed=f"; {listed:,} sensors further down are listed without a chart" if listed else "",
        edges="" if exact else ", read off the scores of neighbouring readings",
        landings=landing_table(folder.landings),
        rejects=reject_table(folder.totals["rejected"], rejects),
    )
