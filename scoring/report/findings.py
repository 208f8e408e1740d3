"""The words of the top of a report: a headline, what was found, times and durations."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from scoring.report.attention import Attention
from scoring.report.charts import Told
from scoring.report.facts import RunFacts
from scoring.report.folder import MOST_REJECTS_COUNTED, Folder, Landing, Rejects
from scoring.report.formatting import percent

GLYPHS = {
    Attention.UNSCORED: "✕",
    Attention.NOW: "▲",
    Attention.ALWAYS: "■",
    Attention.SOME: "●",
    Attention.NO_MODEL: "?",
    Attention.NORMAL: "✓",
    Attention.SILENT: "○",
}
"""Told apart by shape, not only by colour."""

_HEADLINE = {
    Attention.UNSCORED: ("was not scored", "were not scored"),
    Attention.NOW: ("is anomalous at the end", "are anomalous at the end"),
    Attention.ALWAYS: ("is anomalous at every reading", "are anomalous at every reading"),
    Attention.SOME: ("had some anomalies", "had some anomalies"),
    Attention.NO_MODEL: ("has no model", "have no model"),
}

_CAUSES = {"blob": "data landed", "timer": "a sweep by the timer", "manual": "asked for by hand"}
_NAME = re.compile(r"(?P<kind>[a-z]+)-(?P<day>[0-9]{8}-[0-9]{6})?.*?(?:-(?P<tries>[0-9]{1,3}))?")

_HEADLINE_PARTS = 2
"""Said of the most urgent groups; the others are only counted."""

_NAMED, TOLD = 12, 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs attention; `sensors` are (position on the page, name, note)."""

    kind: str
    glyph: str
    title: str
    what: str
    sensors: list[tuple[int, str, str]] = field(default_factory=list)
    more: int = 0


def headline(told: list[Told]) -> str:
    """The run in one sentence."""
    counts: dict[Attention, int] = defaultdict(int)
    for each in told:
        counts[each.ranked.attention] += 1
    with_readings = len(told) - counts[Attention.SILENT]
    if not with_readings:
        return "No readings came"
    groups = [(counts[group], verbs) for group, verbs in _HEADLINE.items() if counts[group]]
    if not groups:
        return f"All {with_readings:,} sensors are normal" if with_readings > 1 else "The sensor is normal"
    if len(groups) > _HEADLINE_PARTS:
        rest = sum(count for count, _ in groups[_HEADLINE_PARTS:])
        groups = [*groups[:_HEADLINE_PARTS], (rest, ("more needs a look", "more need a look"))]
    of = f"of {with_readings:,} sensor{'s' if with_readings > 1 else ''} "
    parts = [
        f"{count:,} {'' if place else of}{verbs[count > 1]}" for place, (count, verbs) in enumerate(groups)
    ]
    return ", ".join(parts)


def findings(folder: Folder, rejects: Rejects, told: list[Told], facts: RunFacts) -> list[Finding]:
    """What needs attention, the most urgent first."""
    members: dict[Attention, list[tuple[int, Told]]] = defaultdict(list)
    for position, each in enumerate(told):
        members[each.ranked.attention].append((position, each))
    found = [
        *run_findings(facts),
        *(_group(group, members[group]) for group in (Attention.UNSCORED,) if members[group]),
        *_landings(folder, "unreadable", "refused"),
        *(_group(group, members[group]) for group in list(_HEADLINE)[1:] if members[group]),
        *_landings(folder, "vanished", "superseded"),
    ]
    if total := folder.totals["rejected"]:
        reasons = [f"{reason} ({count:,})" for reason, count in rejects.reasons]
        title = f"{total:,} row{'s' if total > 1 else ''} rejected."
        only = "" if rejects.all_counted else f"Of the first {MOST_REJECTS_COUNTED:,}: "
        found.append(Finding("data", "!", title, only + _first(reasons)))
    if (unlisted := folder.totals["models_without_readings"] - len(members[Attention.SILENT])) > 0:
        title = f"{unlisted:,} more models without readings."
        found.append(Finding("silent", GLYPHS[Attention.SILENT], title, "Too many to be listed."))
    return found


_LANDING = {
    "unreadable": "could not be read",
    "refused": "refused",
    "vanished": "gone before it was read",
    "superseded": "replaced before it was read; the new version has a run of its own",
}


def _landings(folder: Folder, *statuses: str) -> Iterator[Finding]:
    for status in statuses:
        found = [landing for landing in folder.landings if landing.status == status]
        if found:
            title = f"{len(found):,} landing{'s' if len(found) > 1 else ''} {_LANDING[status]}."
            yield Finding("data", "!", title, _first([_landing(each) for each in found]))


def _landing(landing: Landing) -> str:
    reason = landing.reason or ""
    return reason if landing.name in reason else f"{landing.name}: {reason}" if reason else landing.name


def _first(texts: list[str]) -> str:
    more = len(texts) - TOLD
    return "; ".join(texts[:TOLD]) + (f"; and {more:,} more" if more > 0 else "")


def _group(group: Attention, members: list[tuple[int, Told]]) -> Finding:
    count = len(members)
    what = f"{group.value[1][0].upper()}{group.value[1][1:]}."
    if group is Attention.SOME:
        what = "Highest share first." if count > 1 else ""
    elif group is Attention.ALWAYS:
        what = "Rather a model that does not fit than a sensor that is wrong: check the model first."
    elif group in {Attention.UNSCORED, Attention.NO_MODEL}:
        reasons = Counter(each.ranked.sensor.reason or "no reason was given" for _, each in members)
        what = _first(
            [
                f"{reason} ({number:,})" if len(reasons) > 1 else reason
                for reason, number in reasons.most_common()
            ]
        )
    sensors = [
        (position, f"{each.ranked.sensor.device}/{each.ranked.sensor.sensor}", _note(each))
        for position, each in members[:_NAMED]
    ]
    title = f"{count:,} sensor{'s' if count > 1 else ''}: {group.value[0].lower()}."
    return Finding(
        group.name.lower().replace("_", "-"), GLYPHS[group], title, what, sensors, count - len(sensors)
    )


def _note(told: Told) -> str:
    if told.ranked.attention in {Attention.SOME, Attention.NOW}:
        return f" ({', '.join(filter(None, [percent(told.ranked.sensor.share), told.side]))})"
    return ""


def cause_of(run: str | None, landings: Sequence[Landing]) -> str | None:
    """Why a run was started, as far as its name and what it scored tell."""
    found = _NAME.fullmatch(run or "")
    if not found or found["kind"] not in _CAUSES:
        return None
    cause = _CAUSES[found["kind"]]
    if found["kind"] == "blob" and len(landings) == 1:
        cause = f"{landings[0].name} landed"
    if found["day"]:
        with suppress(ValueError):
            cause += f" at {datetime.strptime(found['day'], '%Y%m%d-%H%M%S'):%Y-%m-%d %H:%M:%S} UTC"  # noqa: DTZ007
    return f"{cause}; try {found['tries']}" if found["tries"] else cause


def headline_without_summary(state: str | None) -> str:
    """The run in one sentence, where it left no summary."""
    return {
        "pending": "The run has not begun yet",
        "submitted": "The run has not begun yet",
        "running": "The run is still under way",
        "failed": "The run failed before anything was summed up",
        "canceled": "The run was canceled before anything was summed up",
        "empty": "The run had nothing to score: other runs had it already",
    }.get(state or "", "The run left no summary")


def run_findings(facts: RunFacts) -> Iterator[Finding]:
    """What went wrong with the run itself, and with which of its steps."""
    if facts.error and facts.state != "partly":  # then it only repeats what the summary says
        title = "The run failed." if facts.state == "failed" else "Why:"
        yield Finding("unscored", "✕", title, facts.error)
    if facts.troubles:
        count = len(facts.troubles)
        told = [
            f"{each.step} {each.state}" + (f": {each.error}" if each.error else "") for each in facts.troubles
        ]
        title = f"{count:,} step{'s' if count > 1 else ''} did not do {'their' if count > 1 else 'its'} work."
        yield Finding("unscored", "✕", title, _first(told))
