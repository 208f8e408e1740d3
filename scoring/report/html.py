"""The parts of a report that need no script: tiles of numbers, findings, tables; every text escaped."""

from collections.abc import Iterable, Sequence

from scoring.report.facts import RunFacts, Trouble
from scoring.report.findings import TOLD, Finding, cause_of
from scoring.report.folder import Folder, Landing, Rejects
from scoring.report.formatting import duration, moment, percent, period
from scoring.report.frame import name, text
from scoring.report.timeline import When

_LANDINGS_OPEN, _LANDINGS_SHOWN = 10, 200


def run_line(facts: RunFacts, landings: Sequence[Landing]) -> str:
    """Why there is this run, how it stands, which it is, and which pipeline it ran."""
    words = [
        facts.cause or cause_of(facts.run, landings),
        facts.state,
        facts.steps,
        f"try {facts.tries}" if facts.tries and facts.tries > 1 else None,
    ]
    codes = [facts.run, facts.published and f"pipeline {facts.published}"]
    return " · ".join(
        [
            *(name(each) for each in words if each),
            *(f"<code>{name(each)}</code>" for each in codes if each),
        ]
    )


def tiles(folder: Folder, facts: RunFacts, when: When) -> str:
    """The numbers of the run."""
    totals = folder.totals
    scored, anomalies, rejected = totals["scored"], totals["anomalies"], totals["rejected"]
    share = percent(anomalies / scored if scored else 0)
    rows = [
        ("Anomalies", f"{anomalies:,}", f"{share} of what was scored"),
        ("Readings scored", f"{scored:,}", f"of {totals['readings']:,}; {rejected:,} rows rejected"),
        ("Sensors scored", f"{totals['sensors_scored']:,}", f"of {totals['sensors']:,} with readings"),
        ("Landings", f"{totals['landings']:,}", _read(totals["landings"], totals["landings_read"])),
    ]
    if when.first is not None and when.last is not None:
        span = duration((when.last - when.first) / 1000)
        rows.append(("Readings span", span, period(when.first, when.last)))
    rows += times(facts)
    return tile_list(rows)


def _read(landings: int, read: int) -> str:
    return "read" if landings == read == 1 else "all read" if landings == read else f"{read:,} of them read"


def times(facts: RunFacts) -> list[tuple[str, str, str]]:
    """How long the run took, where that is known."""
    since = facts.asked or facts.started
    if facts.seconds is None and not since:
        return []
    took = "not ended" if facts.seconds is None else duration(facts.seconds)
    return [("Run took", took, f"from {moment(since)}" if since else "")]


def tile_list(rows: Iterable[tuple[str, str, str]]) -> str:
    """What is counted, how many, and a note on it."""
    cells = (
        f"<div><dt>{text(what)}</dt><dd>{text(number)}<small>{text(note)}</small></dd></div>"
        for what, number, note in rows
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def finding_list(found: list[Finding], readings: int) -> str:
    """What needs attention among so many readings; sensors are links that the script follows."""
    if not found and not readings:
        return '<p class="fine">Nothing, and no reading either.</p>'
    if not found:
        glyph = '<span class="glyph" aria-hidden="true">✓</span>'
        return f'<p class="fine">{glyph} Nothing: every reading is normal.</p>'
    return f'<ul class="findings">{"".join(_finding(each) for each in found)}</ul>'


def _finding(finding: Finding) -> str:
    links = [
        f'<a href="#sensors" data-open="{position}">{name(label)}</a>{text(note)}'
        for position, label, note in finding.sensors
    ]
    # A link and its note stay together, with the comma after them.
    kept = " ".join(f"<span>{link}{',' * (link is not links[-1])}</span>" for link in links)
    more = f" and {finding.more:,} more" if finding.more else ""
    return (
        f'<li class="{finding.kind}"><span class="glyph" aria-hidden="true">{text(finding.glyph)}</span>'
        f"<div><b>{text(finding.title)}</b> {name(finding.what)}"
        f"{f'<p>{kept}{more}</p>' if links else ''}</div></li>"
    )


def landing_table(landings: list[Landing]) -> str:
    """How each landing was found, those with trouble first."""
    rows = sorted(landings, key=lambda landing: landing.status == "read")
    cells = (
        f"<tr{_bad(row)}><td>{name(row.name)}</td><td>{text(row.status)}</td><td class=n>{row.readings:,}"
        f"</td><td class=n>{row.rejected:,}</td><td>{name(row.reason or '')}</td></tr>"
        for row in rows[:_LANDINGS_SHOWN]
    )
    table = _table("<th>Landing<th>Found<th class=n>Readings<th class=n>Rejected<th>Why", cells)
    more = len(rows) - _LANDINGS_SHOWN
    note = f"<p class=note>{more:,} more are in summary.json.</p>" if more > 0 else ""
    is_open = " open" if len(rows) <= _LANDINGS_OPEN else ""
    return f"<details{is_open}><summary>Landings ({len(rows):,})</summary>{table}{note}</details>"


def reject_table(total: int, rejects: Rejects) -> str:
    """The first rejected rows as they came."""
    if not rejects.first:
        return "<p>No row was rejected.</p>"
    cells = (
        f"<tr><td>{name(row['file'])}</td><td>{name(row['line'])}</td><td>{name(row['reason'])}</td>"
        f"<td><code>{name(row['text'])}</code></td></tr>"
        for row in rejects.first
    )
    table = _table("<th>File<th>Line<th>Reason<th>Row", cells)
    title = f"Rejected rows ({total:,}), the first {len(rejects.first)}"
    return f"<details><summary>{title}</summary>{table}</details>"


def trouble_table(troubles: Sequence[Trouble]) -> str:
    """Steps that did not do their work, where there are more than the findings name."""
    if len(troubles) <= TOLD:
        return ""
    cells = (
        f"<tr><td><code>{name(each.step)}</code></td><td>{text(each.state)}</td>"
        f"<td>{name(each.error or '')}</td></tr>"
        for each in troubles
    )
    table = _table("<th>Step<th>State<th>Why", cells)
    return f"<details open><summary>Steps ({len(troubles):,})</summary>{table}</details>"


def _table(head: str, rows: Iterable[str]) -> str:
    return f'<div class="scroll"><table><thead><tr>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _bad(landing: Landing) -> str:
    return "" if landing.status == "read" else " class=bad"
