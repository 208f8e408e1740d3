"""`python -m scoring inspect`."""

import argparse
import json
import shlex
import shutil
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.commands.limits import add_limits, limits_of
from scoring.commands.mapping import add_mapping, mappings_of
from scoring.errors import EXIT_DONE, EXIT_FAILED
from scoring.printable import printable

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from scoring.keys import SensorKey
    from scoring.tools.inspection import FileFacts, Inspection, SensorFacts

_EXAMPLE = """\
Reads files or folders as `score` would and writes nothing. A file that cannot be read as it is is inspected
with the mapping that its first rows suggest: check it, and give it to `score`, `train` and `make run`, or set
SCORING_MAPPING to it. What files can look like: docs/formats.md.

Example:
  python -m scoring inspect readings.csv --models models

Exit codes: 0 all files can be read, some perhaps with the mapping that is shown; 1 a file cannot; 2 usage
error; 75 failed for a temporary reason.
"""

_MOST_SENSORS = 20
_MOST_NAMES = 300
"""Characters of the names of columns."""

_LABEL = 10
"""Width of the names at the left."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="files, or folders of them")
    parser.add_argument("--models", type=Path, help="folder of models: says which sensors have one")
    add_mapping(parser)
    add_limits(parser)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(args: argparse.Namespace) -> int:
    """Inspect, and print what was found."""
    from scoring.models.store import ModelStore
    from scoring.progress import progress
    from scoring.readings.files import find_sources
    from scoring.tools.inspection import FileFacts, Inspection, inspect

    models = ModelStore(args.models).keys() if args.models else None
    sources, unreadable = [], []
    for path in args.files:
        found, not_read = find_sources(path, None, limits_of(args), mappings_of(args))
        sources += found
        unreadable += not_read
    inspection = Inspection()
    with progress("inspecting", len(sources), "files") as advance:
        for inspection in inspect(sources):  # noqa: B007 - the last one is complete
            advance()
    for landing in unreadable:
        inspection.files.append(FileFacts(landing.name, unreadable=True, refused=landing.reason or ""))
    if args.json:
        print(json.dumps(_document(inspection, models), ensure_ascii=False))
    else:
        for line in _lines(inspection, models, args.files):
            print(printable(line))
    return EXIT_FAILED if any(file.unreadable for file in inspection.files) else EXIT_DONE


def _lines(
    inspection: "Inspection", models: "AbstractSet[SensorKey] | None", paths: Iterable[Path]
) -> Iterator[str]:
    for group in _alike(inspection.files):
        yield from _file_lines(group)
    if not inspection.files:
        yield "there is no file in this folder"
    sensors = inspection.sensors
    devices = len({key.device for key in sensors})
    yield from _entry(
        "readings",
        f"{inspection.readings:,} of {_count(len(sensors), 'sensor')} of {_count(devices, 'device')}",
    )
    yield from _time_lines(inspection)
    total = inspection.readings + inspection.rejected
    if inspection.rejected:
        from scoring.report.formatting import format_share

        yield from _entry(
            "rejected", f"{inspection.rejected:,} ({format_share(inspection.rejected / total)})"
        )
        for kind, facts in sorted(inspection.rejects.items(), key=lambda item: -item[1].count):
            yield from _entry("", f"{kind}: {facts.count:,}, the first is {facts.first}")
    if models is not None:
        without = sorted(key for key in sensors if key not in models)
        shown = ", ".join(map(str, without[:5])) + (", ..." if len(without) > 5 else "")  # noqa: PLR2004
        have = f"{len(sensors) - len(without):,} of {_count(len(sensors), 'sensor')} have one"
        yield from _entry("models", have + (f"; without: {shown}" if without else ""))
        unused = len(models) - (len(sensors) - len(without))
        if unused:
            yield from _entry("", f"{_count(unused, 'model')} of sensors that are not in here")
    yield from _sensor_lines(inspection, models)
    mappings = {file.mapping for file in inspection.files if not file.unreadable}
    if len(mappings) == 1 and inspection.readings and models is None:
        option = mappings.pop()
        data = shlex.quote(str(next(iter(paths))))
        extra = f" {option.option}" if str(option) else ""
        yield ""
        yield f"next: python -m scoring train --data {data} --models models{extra}"


def _alike(files: "Iterable[FileFacts]") -> "Iterable[list[FileFacts]]":
    """Files with the same columns that are read in the same way, together."""
    groups: dict[object, list[FileFacts]] = {}
    for file in files:
        alike = (file.titles, file.mapping, file.unreadable, bool(file.refused))
        groups.setdefault(file.name if file.unreadable else alike, []).append(file)
    return list(groups.values())


def _file_lines(group: "list[FileFacts]") -> Iterator[str]:
    first = group[0]
    more = f" and {len(group) - 1:,} more files like it" if len(group) > 1 else ""
    yield f"{first.name}{more}"
    if first.unreadable:
        yield from _entry("problem", f"it cannot be read: {first.refused.removeprefix(f'{first.name}: ')}")
        return
    names = (first.delimiter or ",").join(first.titles)
    if first.titles:
        shown = names if len(names) < _MOST_NAMES else f"{names[:_MOST_NAMES]}..."
        yield from _entry("columns", f"{len(first.titles):,}: {shown}")
    if first.refused:
        problem = first.refused.removeprefix(f"{first.name}: ").partition("; --mapping ")[0]
        if problem.startswith("expected a "):
            problem = problem.partition(", found ")[2]
        yield from _entry("problem", f"it cannot be read as it is: {problem}")
    for note in first.notes:
        yield from _entry("check", note)
    option = first.mapping.option if str(first.mapping) else "none is needed"
    yield f"  {'mapping':{_LABEL}}{option}"


def _time_lines(inspection: "Inspection") -> Iterator[str]:
    if not inspection.sensors:
        return
    facts = inspection.sensors.values()
    first, last = min(each.first for each in facts), max(each.last for each in facts)
    span = _duration(last - first)
    yield from _entry("time", f"{_moment(first)} to {_moment(last)} UTC ({span})")
    intervals = sorted(each.interval for each in facts if each.interval)
    if intervals:
        typical = _duration(intervals[len(intervals) // 2])
        gaps = sum(each.gaps for each in facts)
        key, longest = max(inspection.sensors.items(), key=lambda item: item[1].longest)
        text = f"{typical}; " + (
            f"{_count(gaps, 'gap')}, the longest {_duration(longest.longest)} (sensor {key})"
            if gaps
            else "no gaps"
        )
        repeated = sum(each.repeated for each in facts)
        if repeated:
            readings = f"{_count(repeated, 'reading')} with the time of another of the same sensor"
            yield from _entry(
                "repeated", f"{readings}: several machines in one? device=NAME distinguishes them"
            )
        yield from _entry("interval", text if inspection.timed else f"{text}, in the first readings")


def _sensor_lines(inspection: "Inspection", models: "AbstractSet[SensorKey] | None") -> Iterator[str]:
    def row(key: "SensorKey", facts: "SensorFacts") -> list[str]:
        interval = _duration(facts.interval) if facts.interval else "-"
        cells = [_cut(key.device), _cut(key.sensor), f"{facts.readings:,}", interval, f"{facts.gaps:,}"]
        return cells if models is None else [*cells, "yes" if key in models else "no"]

    if not inspection.sensors:
        return
    titles = ["device", "sensor", "readings", "interval", "gaps", *(["model"] if models is not None else [])]
    ordered = sorted(inspection.sensors.items())
    table = [titles, *(row(key, facts) for key, facts in ordered[:_MOST_SENSORS])]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    yield ""
    for cells in table:
        yield "  " + "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)).rstrip()
    if len(ordered) > _MOST_SENSORS:
        yield f"  ... and {len(ordered) - _MOST_SENSORS:,} more sensors: --json lists them all"


def _document(inspection: "Inspection", models: "AbstractSet[SensorKey] | None") -> dict[str, Any]:
    return {
        "readings": inspection.readings,
        "rejected": inspection.rejected,
        "files": [
            {
                "name": file.name,
                "columns": list(file.titles),
                "mapping": file.mapping.to_json(),
                "problem": file.refused or None,
                "unreadable": file.unreadable,
                "check": list(file.notes),
                "readings": file.readings,
                "rejected": file.rejected,
            }
            for file in inspection.files
        ],
        "rejects": [
            {"kind": kind, "count": facts.count, "first": facts.first}
            for kind, facts in inspection.rejects.items()
        ],
        "sensors": [
            {
                "device": key.device,
                "sensor": key.sensor,
                "readings": facts.readings,
                "first": _moment(facts.first),
                "last": _moment(facts.last),
                "interval_seconds": facts.interval and facts.interval / 1e9,
                "gaps": facts.gaps,
                "repeated": facts.repeated,
                "longest_seconds": facts.longest / 1e9,
                "model": None if models is None else key in models,
            }
            for key, facts in sorted(inspection.sensors.items())
        ],
    }


def _entry(name: str, text: str) -> Iterator[str]:
    """A name and a text, wrapped to the width of the terminal."""
    width = min(max(shutil.get_terminal_size((80, 24)).columns, 40), 120)
    lines = textwrap.wrap(text, width - _LABEL - 2, break_on_hyphens=False)
    for number, line in enumerate(lines or [""]):
        yield f"  {name if number == 0 else '':{_LABEL}}{line}"


def _duration(nanoseconds: int) -> str:
    from scoring.report.formatting import format_duration

    return f"{nanoseconds / 1e6:g} ms" if 0 < nanoseconds < 10**9 else format_duration(nanoseconds / 1e9)


def _moment(nanoseconds: int) -> str:
    import numpy as np

    text = str(np.datetime64(nanoseconds, "ns")).replace("T", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _cut(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:23]}…"  # noqa: PLR2004
