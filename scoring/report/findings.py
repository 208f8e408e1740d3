"""What a report says first: its headline, and what needs attention."""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from scoring.formats import GONE, LandingStatus, RunOutcome, SensorStatus
from scoring.printable import all_of, counted
from scoring.report.attention import Attention
from scoring.report.facts import RunFacts
from scoring.report.folder import Folder, LandingRow, RejectRow
from scoring.report.formatting import format_share
from scoring.report.sensor_views import SensorView

GLYPHS = {
    Attention.UNSCORED: "✕",
    Attention.REJECTED: "⊘",
    Attention.SILENT: "◇",
    Attention.NOW: "▲",
    Attention.ALWAYS: "■",
    Attention.SOME: "●",
    Attention.NO_MODEL: "?",
    Attention.NORMAL: "✓",
    Attention.NO_READINGS: "○",
}
"""Groups differ by shape, not only by colour."""

UNSCORED_CELLS = {
    SensorStatus.FAILED: ("✕", "failed"),
    SensorStatus.MISSING: ("!", "missing: no step wrote a result"),
    SensorStatus.NO_MODEL: ("?", "no model"),
    SensorStatus.SILENT: ("◇", "silent: expected, but sent nothing"),
    SensorStatus.NO_READINGS: ("○", "no readings"),
}
"""The cell of a sensor that was not scored, in the fleet: its glyph, and what it means."""

_HEADLINE = {
    Attention.UNSCORED: ("was not scored", "were not scored"),
    Attention.REJECTED: ("had all rows rejected", "had all rows rejected"),
    Attention.SILENT: ("is expected and sent nothing", "are expected and sent nothing"),
    Attention.NOW: ("is anomalous at the end", "are anomalous at the end"),
    Attention.ALWAYS: ("is anomalous at every reading", "are anomalous at every reading"),
    Attention.SOME: ("had some anomalies", "had some anomalies"),
    Attention.NO_MODEL: ("has no model", "have no model"),
}

_STATES = {RunOutcome.PARTLY: "Partly scored", RunOutcome.FAILED: "Nothing was scored"}

_IN_REASONS = frozenset({Attention.UNSCORED, Attention.NO_MODEL})
"""Groups that are the reason why a run did not succeed."""

_CAUSES = {"blob": "data arrived", "timer": "a sweep by the timer", "manual": "requested manually"}
_NAME = re.compile(r"(?P<kind>[a-z]+)-(?P<day>[0-9]{8}-[0-9]{6})?.*?(?:-(?P<tries>[0-9]{1,3}))?")

_HEADLINE_PARTS = 2
"""The most urgent groups that the headline names; the others are only counted."""

_MOST_LINKED, MOST_NAMED = 12, 3
"""Sensors linked in a finding; reasons, landings and steps named in one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs attention; `sensors` are (position on the page, name, note)."""

    kind: str
    glyph: str
    title: str
    what: str
    sensors: list[tuple[int, str, str]] = field(default_factory=list)
    more: int = 0


def headline(folder: Folder, views: Sequence[SensorView]) -> str:
    """The run in one sentence: why it failed, which sensors need attention, how many sent nothing."""
    counts = Counter(view.ranked.attention for view in views)
    silent = max(0, folder.totals.sensors_without_rows - counts[Attention.SILENT])
    groups = {group: verbs for group, verbs in _HEADLINE.items() if counts[group]}
    if folder.state in _STATES and folder.reasons:
        hidden = groups if folder.state is RunOutcome.FAILED else _IN_REASONS
        others = {group: verbs for group, verbs in groups.items() if group not in hidden}
        parts = [f"{_STATES[folder.state]}: {folder.reasons[0]}"]
        parts += [_attention(others, counts)] if others else []
    elif groups:
        parts = [_attention(groups, counts)]
    else:
        parts = [_normal(counts[Attention.NORMAL], everyone=not folder.totals.models_without_readings)]
    if silent:
        parts.append(f"{counted(silent, 'sensor')} sent nothing")
    return "; ".join(parts)


def _attention(groups: Mapping[Attention, tuple[str, str]], counts: Counter[Attention]) -> str:
    """How many sensors are in each of these groups, the most urgent first."""
    found = [(counts[group], verbs) for group, verbs in groups.items()]
    if len(found) > _HEADLINE_PARTS:
        rest = sum(count for count, _ in found[_HEADLINE_PARTS:])
        found = [*found[:_HEADLINE_PARTS], (rest, ("more needs attention", "more need attention"))]
    total = counts.total() - counts[Attention.NO_READINGS]
    of = f"of {counted(total, 'sensor')} "
    return ", ".join(
        f"{count:,} {'' if place else of}{verbs[count > 1]}" for place, (count, verbs) in enumerate(found)
    )


def _normal(count: int, *, everyone: bool) -> str:
    if not count:
        return "There are no readings"
    if not everyone:
        return f"{count:,} sensor{'s are' if count > 1 else ' is'} normal"
    return f"{all_of(count, 'sensor')} {'are' if count > 1 else 'is'} normal"


def findings(folder: Folder, views: Sequence[SensorView], facts: RunFacts) -> list[Finding]:
    """What needs attention, the most urgent first."""
    members: dict[Attention, list[tuple[int, SensorView]]] = defaultdict(list)
    for position, view in enumerate(views):
        members[view.ranked.attention].append((position, view))
    found = [
        *run_findings(facts),
        *(_group(group, members[group]) for group in (Attention.UNSCORED,) if members[group]),
        *_landings(folder, LANDING_FINDINGS.keys() - GONE),
        *(_group(group, members[group]) for group in list(_HEADLINE)[1:] if members[group]),
        *_landings(folder, GONE),
    ]
    if total := folder.totals.rejected:
        title = f"{counted(total, 'row')} rejected."
        found.append(Finding("data", "!", title, _first([_reject(each) for each in folder.rejects])))
    if (unlisted := _unlisted(folder)) > 0:
        title = f"{counted(unlisted, 'more model')} without readings."
        found.append(Finding("no-readings", GLYPHS[Attention.NO_READINGS], title, "Too many to list."))
    return found


def _unlisted(folder: Folder) -> int:
    """How many models without readings have no row in the summary."""
    listed = sum(sensor.status is SensorStatus.NO_READINGS for sensor in folder.sensors)
    return folder.totals.models_without_readings - listed


def _reject(row: RejectRow) -> str:
    hint = f" ({row.hint})" if row.hint else ""
    return f"{row.kind}: {row.count:,}, the first is {row.file} line {row.line}: {row.reason}{hint}"


LANDING_FINDINGS = {
    LandingStatus.UNREADABLE: "could not be read",
    LandingStatus.REFUSED: "refused",
    LandingStatus.ALL_REJECTED: "with all rows rejected",
    LandingStatus.PARTLY_REJECTED: "with too many rows rejected",
    LandingStatus.VANISHED: "deleted before it was read",
    LandingStatus.SUPERSEDED: "replaced before it was read; the new version has a run of its own",
}
"""What a finding says of landings that were not read, or were read with too many rejects."""


def _landings(folder: Folder, statuses: Container[LandingStatus]) -> Iterator[Finding]:
    for status in filter(statuses.__contains__, LANDING_FINDINGS):
        found = [landing for landing in folder.landings if landing.status is status]
        if found:
            title = f"{counted(len(found), 'landing')} {LANDING_FINDINGS[status]}."
            yield Finding("data", "!", title, _first([_landing(each) for each in found]))


def _landing(landing: LandingRow) -> str:
    reason = landing.reason or ""
    return reason if landing.name in reason else f"{landing.name}: {reason}" if reason else landing.name


def _first(texts: list[str]) -> str:
    more = len(texts) - MOST_NAMED
    return "; ".join(texts[:MOST_NAMED]) + (f"; and {more:,} more" if more > 0 else "")


def _group(group: Attention, members: list[tuple[int, SensorView]]) -> Finding:
    count = len(members)
    what = f"{group.value[1][0].upper()}{group.value[1][1:]}."
    if group is Attention.SOME:
        what = "Highest share first." if count > 1 else ""
    elif group is Attention.ALWAYS:
        what = "More likely a wrong model than a faulty sensor: check the model first."
    elif group is Attention.REJECTED:
        what = "See rejects.csv for the reasons."
    elif group in {Attention.UNSCORED, Attention.NO_MODEL}:
        reasons = Counter(each.ranked.sensor.reason or "no reason given" for _, each in members)
        what = _first(
            [
                f"{reason} ({number:,})" if len(reasons) > 1 else reason
                for reason, number in reasons.most_common()
            ]
        )
    sensors = [
        (position, f"{each.ranked.sensor.device}/{each.ranked.sensor.sensor}", _note(each))
        for position, each in members[:_MOST_LINKED]
    ]
    title = f"{counted(count, 'sensor')}: {group.value[0].lower()}."
    return Finding(
        group.name.lower().replace("_", "-"), GLYPHS[group], title, what, sensors, count - len(sensors)
    )


def _note(view: SensorView) -> str:
    if view.ranked.attention in {Attention.SOME, Attention.NOW}:
        return f" ({', '.join(filter(None, [format_share(view.ranked.sensor.share), view.side]))})"
    return ""


def infer_cause(run: str | None, landings: Sequence[LandingRow]) -> str | None:
    """Why a run was started, inferred from its name and its landings."""
    found = _NAME.fullmatch(run or "")
    if not found or found["kind"] not in _CAUSES:
        return None
    cause = _CAUSES[found["kind"]]
    if found["kind"] == "blob" and len(landings) == 1:
        cause = f"{landings[0].name} arrived"
    if found["day"]:
        with suppress(ValueError):
            cause += f" at {datetime.strptime(found['day'], '%Y%m%d-%H%M%S'):%Y-%m-%d %H:%M:%S} UTC"  # noqa: DTZ007
    return f"{cause}; try {found['tries']}" if found["tries"] else cause


UNFINISHED = frozenset({"pending", "submitted", "running"})
"""States of a run that will have results."""


def headline_without_summary(state: str | None) -> str:
    """The run in one sentence, where it has no summary."""
    return {
        "pending": "The run has not started yet",
        "submitted": "The run has not started yet",
        "running": "The run is still running",
        "failed": "The run failed before it wrote a summary",
        "canceled": "The run was canceled before it wrote a summary",
        "succeeded": "The results of the run have been removed",
        "partly": "The results of the run have been removed",
        "empty": "The run had nothing to score: other runs had claimed its landings",
    }.get(state or "", "The run has no summary")


def run_findings(facts: RunFacts) -> Iterator[Finding]:
    """What went wrong with the run, and with which of its steps."""
    if facts.error and facts.state != "partly":  # then the summary says the same
        title = "The run failed." if facts.state == "failed" else "Why:"
        yield Finding("unscored", "✕", title, facts.error)
    if facts.troubles:
        count = len(facts.troubles)
        troubles = [
            f"{each.step} {each.state}" + (f": {each.error}" if each.error else "") for each in facts.troubles
        ]
        title = "1 step was not completed." if count == 1 else f"{count:,} steps were not completed."
        yield Finding("unscored", "✕", title, _first(troubles))
