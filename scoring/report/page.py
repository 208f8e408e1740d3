"""`report.html`: the top of the page as HTML, the rest as data that its script draws."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.formats import REPORT_HTML, SUMMARY_JSON, LandingStatus
from scoring.report.attention import Attention
from scoring.report.boundary_file import SensorBoundary, read_boundaries, write_boundaries
from scoring.report.episodes import Episodes, read_episodes
from scoring.report.facts import RunFacts
from scoring.report.findings import (
    GLYPHS,
    MOST_NAMED,
    UNFINISHED,
    UNSCORED_CELLS,
    findings,
    headline,
    headline_without_summary,
    infer_cause,
    run_findings,
)
from scoring.report.folder import Folder, LandingRow, first_rejects
from scoring.report.formatting import format_share
from scoring.report.sensor_views import FindDetector, SensorView, view_sensors
from scoring.report.templates import escape_bidi, render
from scoring.report.tiles import folder_tiles, run_tiles
from scoring.report.timeline import Timeline

_STYLES = ("look.css", "report.css")
_SCRIPTS = (
    *("dom.js", "decode.js", "paint.js", "share.js", "timeline.js"),
    *("plot.js", "grid.js", "sensors.js", "anomalies.js", "report.js"),
)

_REJECTS_LISTED = 20
_BANDS = 500
"""Episodes of a sensor that its chart marks, the last ones."""
_LANDINGS_OPEN, _LANDINGS_LISTED = 10, 200


def write_report(
    preds: Path, facts: RunFacts | None = None, find_detector: FindDetector | None = None
) -> Path:
    """Write `report.html` into the folder of a run; the same folder gives the same bytes.

    Args:
        preds: the folder, with its summary, rejects and predictions. Without a summary, the page shows the
            facts only.
        facts: what the pipeline knows of the run.
        find_detector: finds the models. With it, boundaries are exact, and are stored in `boundaries.json`;
            without, they come from that file, or are estimated from the scores.

    Raises:
        ScoringError: there is no summary and the facts have no state, or a file cannot be read.
        OutputError: the page cannot be written.
    """
    facts = facts or RunFacts()
    path = preds / REPORT_HTML
    if facts.state and not (preds / SUMMARY_JSON).exists():
        write_atomically(path, _unfinished_page(facts))
        return path
    folder = Folder.read(preds)
    facts = replace(facts, run=facts.run or folder.run)
    timeline, episodes = Timeline(folder.sensors), read_episodes(preds, folder.least_episode)
    views = view_sensors(folder, find_detector or _no_detector, read_boundaries(preds), timeline)
    if find_detector:
        write_boundaries(preds, _exact_boundaries(views))
    title = f"{facts.run or 'Run'}: {headline(folder, views)}"
    context = _context(folder, facts, views, timeline) | {"episodes": episodes.sentence}
    data = _data(views, timeline, episodes)
    write_atomically(path, render("report.html", title, context, data, (*_STYLES, *_SCRIPTS)))
    return path


def _unfinished_page(facts: RunFacts) -> bytes:
    """The page of a run without a summary: its state, and what failed."""
    title = headline_without_summary(facts.state)
    context = {
        "headline": title,
        "words": _words(facts, []),
        "codes": _codes(facts),
        "tiles": list(run_tiles(facts)),
        "findings": list(run_findings(facts)),
        "steps": facts.troubles if len(facts.troubles) > MOST_NAMED else (),
        "run": facts.run or "RUN",
        "state": facts.state,
        "unfinished": facts.state in UNFINISHED,
    }
    return render("unfinished.html", f"{facts.run or 'Run'}: {title}", context, {}, _STYLES)


def _exact_boundaries(views: Sequence[SensorView]) -> Iterator[SensorBoundary]:
    for view in views:
        sensor = view.ranked.sensor
        if view.boundary and sensor.model:
            yield SensorBoundary(sensor.device, sensor.sensor, sensor.model, view.boundary.normal)


def _no_detector(_: object) -> None:
    return None


def _context(
    folder: Folder, facts: RunFacts, views: Sequence[SensorView], timeline: Timeline
) -> dict[str, Any]:
    """What the template shows."""
    charts = [view.chart for view in views if view.chart]
    landings = sorted(folder.landings, key=lambda landing: landing.status is LandingStatus.READ)
    return {
        "headline": headline(folder, views),
        "words": _words(facts if facts.state else replace(facts, state=folder.state), folder.landings),
        "codes": _codes(facts),
        "tiles": [*folder_tiles(folder, timeline), *run_tiles(facts)],
        "findings": findings(folder, views, facts),
        "totals": folder.totals,
        "drawn": len(charts),
        "listed": sum(view.ranked.sensor.file is not None for view in views) - len(charts),
        "exact": any(chart["exact"] for chart in charts),
        "landings": landings[:_LANDINGS_LISTED],
        "more_landings": max(0, len(landings) - _LANDINGS_LISTED),
        "landings_open": len(landings) <= _LANDINGS_OPEN,
        "rejects": first_rejects(folder.path, _REJECTS_LISTED),
    }


def _seconds(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def _words(facts: RunFacts, landings: Sequence[LandingRow]) -> list[str]:
    """Why there is this run, its state, its steps and its try."""
    words = [
        facts.cause or infer_cause(facts.run, landings),
        facts.state,
        facts.steps,
        f"try {facts.tries}" if facts.tries and facts.tries > 1 else None,
    ]
    return [word for word in words if word]


def _codes(facts: RunFacts) -> list[str]:
    """The run's name, and the version of its pipeline."""
    return [code for code in (facts.run, facts.published and f"pipeline {facts.published}") if code]


def _data(views: Sequence[SensorView], timeline: Timeline, episodes: Episodes) -> dict[str, Any]:
    """What the script draws; sensors as columns, since there can be 20,000 of them."""
    sensors = [view.ranked.sensor for view in views]
    groups = list(Attention)
    charts = [view.chart for view in views if view.chart]
    positions = iter(range(len(charts)))
    keys = [(sensor.device, sensor.sensor) for sensor in sensors]
    return {
        "groups": [
            {"name": group.value[0], "what": group.value[1], "glyph": GLYPHS[group]} for group in groups
        ],
        "unscored": {
            status: {"glyph": glyph, "what": what} for status, (glyph, what) in UNSCORED_CELLS.items()
        },
        "sensors": {
            "device": [escape_bidi(sensor.device) for sensor in sensors],
            "sensor": [escape_bidi(sensor.sensor) for sensor in sensors],
            "status": [sensor.status for sensor in sensors],
            "group": [groups.index(view.ranked.attention) for view in views],
            "readings": [sensor.readings for sensor in sensors],
            "anomalies": [sensor.anomalies for sensor in sensors],
            "percent": [format_share(sensor.share) for sensor in sensors],
            "file": [sensor.file for sensor in sensors],
            "why": [escape_bidi(view.why) for view in views],
            "chart": [next(positions) if view.chart else None for view in views],
            "last": [_seconds(episodes.last_anomaly(key)) for key in keys],
            "episodes": [
                [[_seconds(each.start), _seconds(each.end), each.open] for each in episodes.of(key)[-_BANDS:]]
                for key in keys
            ],
            "model": [sensor.model and sensor.model[:12] for sensor in sensors],
        },
        "charts": charts,
        "timeline": timeline.counts(),
    }
