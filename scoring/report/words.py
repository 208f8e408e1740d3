"""The words of the top of a report: a headline, what was found, times and durations."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from scoring.report.attention import Attention, percent
from scoring.report.charts import Told
from scoring.report.folder import Folder, Rejects

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

_CAUSES = {"blob": "data landed", "timer": "started by the timer", "manual": "started by hand"}

_NAMED = 12


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
    parts = [
        f"{counts[group]:,} {verbs[counts[group] > 1]}" for group, verbs in _HEADLINE.items() if counts[group]
    ]
    with_readings = len(told) - counts[Attention.SILENT]
    if not with_readings:
        return "No readings came"
    if not parts:
        return f"All {with_readings:,} sensors are normal" if with_readings > 1 else "The sensor is normal"
    first, _, rest = parts[0].partition(" ")
    of = f"{first} of {with_readings:,} sensor{'s' if with_readings > 1 else ''}"
    return ", ".join([f"{of} {rest}", *parts[1:]])


def findings(folder: Folder, rejects: Rejects, told: list[Told]) -> list[Finding]:
    """What needs attention, the most urgent first."""
    members: dict[Attention, list[tuple[int, Told]]] = defaultdict(list)
    for position, each in enumerate(told):
        members[each.ranked.attention].append((position, each))
    found = [_group(group, members[group]) for group in _HEADLINE if members[group]]
    for status in ("unreadable", "refused", "vanished", "superseded"):
        names = [landing for landing in folder.landings if landing.status == status]
        if names:
            reasons = [f"{each.name}{f': {each.reason}' if each.reason else ''}" for each in names]
            what = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3:,} more" if len(reasons) > 3 else "")  # noqa: PLR2004
            title = f"{len(names):,} landing{'s' if len(names) > 1 else ''} {_LANDING[status]}."
            found.append(Finding("data", "!", title, what))
    if total := folder.totals["rejected"]:
        reasons = [f"{count:,}: {reason}" for reason, count in rejects.reasons[:3]]
        more = f"; and {len(rejects.reasons) - 3:,} other reasons" if len(rejects.reasons) > 3 else ""  # noqa: PLR2004
        title = f"{total:,} row{'s' if total > 1 else ''} rejected."
        found.append(Finding("data", "!", title, "; ".join(reasons) + more))
    return found


_LANDING = {
    "unreadable": "could not be read",
    "refused": "refused",
    "vanished": "gone before it was read",
    "superseded": "replaced before it was read; the new version has a run of its own",
}


def _group(group: Attention, members: list[tuple[int, Told]]) -> Finding:
    count = len(members)
    what = f"{group.value[1][0].upper()}{group.value[1][1:]}."
    if group in {Attention.UNSCORED, Attention.NO_MODEL}:
        reasons = {each.ranked.sensor.reason or "" for _, each in members}
        if len(reasons) == 1 and (reason := reasons.pop()):
            what = f"{reason[0].upper()}{reason[1:]}."
    if group is Attention.SOME:
        what = "Highest share first." if count > 1 else ""
    if group is Attention.ALWAYS:
        what = "Rather a model that does not fit than a sensor that is wrong: check the model first."
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
        return f" ({percent(told.ranked.sensor.share)})"
    return ""


def cause_of(run: str | None) -> str | None:
    """Why a run was started, as far as its name tells."""
    return _CAUSES.get((run or "").partition("-")[0])


def duration(seconds: float) -> str:
    """A length of time in the two largest units that matter."""
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.1f} s".replace(".0 ", " ")
    rest = round(seconds)
    parts: list[tuple[int, str]] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)


def moment(iso: str | None) -> str:
    """An ISO 8601 text as a person reads it; as it is, where it is something else."""
    try:
        parsed = datetime.fromisoformat(iso or "")
    except ValueError:
        return iso or ""
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return f"{parsed.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def period(first: int, last: int) -> str:
    """From one moment to another, both milliseconds since 1970."""
    begin, end = (datetime.fromtimestamp(each / 1000, UTC) for each in (first, last))
    ending = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
    return f"{begin:%Y-%m-%d %H:%M} to {ending} UTC"
