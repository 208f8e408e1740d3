"""Which mapping would read a file, as its first rows show: a proposal for a person, never used by itself."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from scoring.arrow import strings
from scoring.errors import ReadingsError
from scoring.mapping import DELIMITERS, PLAIN, InvalidMapping, Mapping
from scoring.readings import numbers
from scoring.readings.columns import find_columns
from scoring.readings.file_kinds import kind_of

_ROWS = 200
_MOST = 0.5
"""Share of the values of a column that have to be what the column seems to hold."""

_MOST_NAMES, _MOST_NAME = 5, 40
"""Columns that a note lists, and characters of each."""

_TS = {
    *("ts", "timestamp", "datetime", "time", "date", "dateandtime", "utc", "epoch", "unixtime", "unix"),
    *("zeit", "uhrzeit", "zeitstempel", "datum", "tstamp", "fecha", "horodatage", "localtime", "sampletime"),
    *("eventtime", "eventenqueuedutctime", "enqueuedtime", "enqueuedtimeutc", "readingtime"),
    *("recordedat", "measuredat", "createdat"),
}
_DEVICE = {
    *("device", "deviceid", "devicename", "machine", "machineid", "host", "hostname", "station", "stationid"),
    *("asset", "assetid", "equipment", "equipmentid", "node", "nodeid", "mote", "moteid", "turbine", "pump"),
    *("connectiondeviceid", "iothubconnectiondeviceid", "gerät", "geraet", "maschine", "anlage", "well"),
}
_SENSOR = {
    *("sensor", "sensorid", "sensorname", "signal", "channel", "metric", "metricname", "tag", "tagname"),
    *("field", "variable", "parameter", "quantity", "measure", "kanal", "messgröße", "measurename", "series"),
}
_VALUE = {"value", "val", "reading", "wert", "messwert", "measurevalue", "avg", "mean", "readingvalue"}
_NO_SENSOR = {
    *("anomaly", "changepoint", "label", "isanomaly", "class", "target", "partitionid", "partition", "table"),
    *("index", "row", "rownumber", "offset", "sequencenumber", "id", ""),
}
"""Columns of numbers that are not sensors: labels and row numbers."""

_UNIX = {10: "unix-s", 9: "unix-s", 13: "unix-ms", 12: "unix-ms", 16: "unix-us", 19: "unix-ns"}
_COMPACT = ("%Y%m%d", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M", "%Y%m%dT%H%M%S", "%Y%m%d%H%M%S")
"""Formats of timestamps that start with eight digits."""

_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d([.,]\d+)?)?( ?[ap]\.?m\.?)?", re.IGNORECASE)
_SLASHED = re.compile(r"\d{1,2}[/-]\d{1,2}[/-]\d+.*")
_COMMA = re.compile(r"[+-]?\d[\d.]*,\d+")


class Sample(NamedTuple):
    """The first rows of a file, as texts."""

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    delimiter: str = ","
    encoding: str = ""

    def column(self, place: int) -> list[str]:
        """The texts of a column that are not empty."""
        return self.joined((place,))

    def joined(self, places: Sequence[int]) -> list[str]:
        """The texts of columns, joined by a space as for a timestamp; without rows where one is empty."""
        rows = ([row[place].strip() for place in places] for row in self.rows if len(row) > max(places))
        return [" ".join(texts) for texts in rows if all(texts)]


class Suggestion(NamedTuple):
    """A mapping, and what to check before it is used."""

    mapping: Mapping
    notes: tuple[str, ...] = ()


def sample_of(head: bytes, *, separator: str = "", encoding: str = "") -> Sample:
    """A sample of the first bytes of a CSV file in UTF-8; its last line can be cut.

    A text that is not UTF-8 is read as cp1252, which decodes nearly all bytes.
    """
    head = head[: head.rfind(b"\n", len(head) // 2) + 1] or head
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError:
        text, encoding = head.decode("cp1252", errors="replace"), encoding or "cp1252"
    lines = [line for line in text.splitlines() if line.strip()][: _ROWS + 1]
    choices = [separator] if separator else [*DELIMITERS.values()]
    tables = {choice: _split(lines, choice) for choice in choices}
    best = max(choices, key=lambda choice: _regularity(tables[choice]))
    titles, *rows = tables[best] or [[]]
    return Sample([title.strip() for title in titles], rows, best, encoding)


def _split(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []


def _regularity(table: Sequence[Sequence[str]]) -> tuple[float, int]:
    """How many rows have as many fields as the header, if there are several, and how many fields."""
    if not table or len(table[0]) < 2:  # noqa: PLR2004 - one column is no table
        return 0.0, 0
    width = len(table[0])
    return sum(len(row) == width for row in table) / len(table), width


def suggest(sample: Sample, file: str) -> Suggestion | None:
    """The mapping that would read the file of this name; None if its columns show none."""
    words: dict[str, Any] = {}
    notes: list[str] = []
    ts, ts_format = _find_ts(sample)
    if not ts:
        return None
    words["ts"] = tuple(sample.titles[place] for place in ts)
    if ts_format:
        words["ts_format"] = ts_format
    if ts_format == "day-first" and _is_ambiguous(sample.joined(ts)):
        text = sample.joined(ts)[0]
        notes.append(f"{text!r} can also be read with ts-format=month-first: check which it is")
    device = _named(sample, _DEVICE, ts)
    sensor, value = _named(sample, _SENSOR, ts), _named(sample, _VALUE, ts)
    commas = {place: _commas(sample, place) for place in range(len(sample.titles))}
    if device is None:
        device, unread = _device_among_texts(sample, ts, sensor, value)
        notes += unread
    words |= {"device_from": "file"} if device is None else {"device": sample.titles[device]}
    if sensor is not None and value is not None and commas[value] is not None:
        words |= {"sensor": sample.titles[sensor], "value": sample.titles[value]}
        values = [value]
    else:
        others = [place for place, title in enumerate(sample.titles) if title and place not in {*ts, device}]
        numbered = (place for place in others if commas[place] is not None)
        values = [place for place in numbered if _short(sample.titles[place]) not in _NO_SENSOR]
        words["wide"] = () if values == others else tuple(sample.titles[place] for place in values)
    if not values:
        return None
    if any(commas[place] for place in values):
        words["decimal"] = "comma"
    if sample.delimiter not in ",;\t":
        words["delimiter"] = next(name for name, sign in DELIMITERS.items() if sign == sample.delimiter)
    if sample.encoding:
        words["encoding"] = sample.encoding
        notes.append("its text is not UTF-8: check letters such as umlauts")
    return _shortest(sample, words, file, notes)


def _shortest(sample: Sample, words: dict[str, Any], file: str, notes: list[str]) -> Suggestion | None:
    """Without the words that change nothing."""
    try:
        mapping = Mapping(**words)
        columns = find_columns(sample.titles, mapping, file)
    except (InvalidMapping, ReadingsError):
        return None
    for word in ("ts", "device", "device_from", "sensor", "value"):
        without: dict[str, Any] = {word: getattr(PLAIN, word)}
        shorter = replace(mapping, **without)
        try:
            same = find_columns(sample.titles, shorter, file)[:-1] == columns[:-1]
        except ReadingsError:
            same = False
        if same:
            mapping = shorter
    return Suggestion(mapping, tuple(notes))


def advice(found: str, head: bytes, mapping: Mapping, file: str) -> str:
    """What was found in place of a CSV file that can be read, and how it can be.

    `found` is why it cannot, and `head` are the first bytes of the file.
    """
    if kind := kind_of(head):
        return kind
    if b"\0" in head:
        return found
    return advice_on(
        found, sample_of(head, separator=mapping.separator, encoding=mapping.encoding), mapping, file
    )


def advice_on(found: str, sample: Sample, mapping: Mapping, file: str) -> str:
    """Why a file cannot be read, and how it can be."""
    if has_no_header(sample):
        return f"{found} (no header? write the names of the columns above it)"
    suggestion = suggest(sample, file)
    if suggestion is None or suggestion.mapping in {mapping, PLAIN}:
        return f"{found} (docs/formats.md)"
    notes = "; ".join([*suggestion.notes, "docs/formats.md"])
    return f"{found}; {suggestion.mapping.option} reads it ({notes})"


def has_no_header(sample: Sample) -> bool:
    """Whether the first line holds values: a timestamp and a number."""
    first = Sample([""] * len(sample.titles), [sample.titles])
    found = [_format_of(first.column(place)) for place in range(len(sample.titles))]
    has_number = any(_commas(first, place) is not None for place in range(len(sample.titles)))
    return has_number and any(form is not None for form in found)


def _find_ts(sample: Sample) -> tuple[tuple[int, ...], str]:
    """The columns of timestamps and their format: one that is named so, else the first that holds some."""
    by_name = [place for place, title in enumerate(sample.titles) if _short(title) in _TS]
    others = [place for place in range(len(sample.titles)) if place not in by_name]
    for place in (*by_name, *others):
        form = _format_of(sample.column(place))
        if form is not None and (place in by_name or not form.startswith("unix")):
            return _with_time_of_day(sample, place) or ((place,), form)
    return (), ""


def _with_time_of_day(sample: Sample, day: int) -> tuple[tuple[int, ...], str] | None:
    """A column of days and the one of times of day that belongs to it, and the format of both together."""
    if any(":" in text for text in sample.column(day)):
        return None
    for place in range(len(sample.titles)):
        if _holds_times_of_day(sample, place):
            form = _format_of(sample.joined((day, place)))
            if form is not None:
                return (day, place), form
    return None


def _holds_times_of_day(sample: Sample, place: int) -> bool:
    texts = sample.column(place)
    return sum(map(bool, map(_TIME_OF_DAY.fullmatch, texts))) > _MOST * len(texts)


def _format_of(texts: list[str]) -> str | None:
    """The format of timestamps, empty for ISO 8601; None if they are in none."""
    from scoring.readings import ts_formats

    if not texts:
        return None
    column = strings(texts)
    whole = texts[0].partition(".")[0]
    units = [_UNIX[len(whole)]] if whole.isdecimal() and len(whole) in _UNIX else []
    compact = _COMPACT if texts[0][:8].isdecimal() and not units else ()
    formats = ("", *units, "year-first", "day-first", "month-first", *compact)
    shares = {form: float(ts_formats.parse(column, Mapping(ts_format=form))[1].mean()) for form in formats}
    best = max(formats, key=lambda form: shares[form])
    return best if shares[best] >= _MOST else None


def _is_ambiguous(texts: list[str]) -> bool:
    """Whether days and months can be exchanged; a point between them is written where the day comes first."""
    from scoring.readings import ts_formats

    valid = ts_formats.parse(strings(texts), Mapping(ts_format="month-first"))[1]
    return _SLASHED.fullmatch(texts[0]) is not None and bool(valid.all())


def _named(sample: Sample, names: set[str], ts: Sequence[int]) -> int | None:
    found = [place for place, title in enumerate(sample.titles) if _short(title) in names and place not in ts]
    return found[0] if found else None


def _device_among_texts(
    sample: Sample, ts: Sequence[int], *taken: int | None
) -> tuple[int | None, list[str]]:
    """A column of texts that is the device, as the rows show; if none is, what to check."""
    places = [place for place, title in enumerate(sample.titles) if title and place not in {*ts, *taken}]
    texts = [place for place in places if sample.column(place) and _commas(sample, place) is None]
    for place in texts:
        if _separates(sample, ts, place):
            return place, []
    if not texts:
        return None, []
    names = ", ".join(repr(sample.titles[place][:_MOST_NAME]) for place in texts[:_MOST_NAMES])
    more = ", ..." if len(texts) > _MOST_NAMES else ""
    return None, [f"not read: {names}{more}; if it names the device, device=NAME and not device-from=file"]


def _separates(sample: Sample, ts: Sequence[int], place: int) -> bool:
    """Whether rows of one time differ in this column, and its texts recur, as names of devices do."""
    rows = (row for row in sample.rows if len(row) > max(*ts, place))
    pairs = [(tuple(row[each] for each in ts), row[place]) for row in rows]
    times, names = ({pair[part] for pair in pairs} for part in (0, 1))
    return max(len(times), len(names)) < len(pairs) == len(set(pairs))


def _commas(sample: Sample, place: int) -> bool | None:
    """Whether the numbers of a column have decimal commas; None if it does not hold numbers."""
    texts = sample.column(place)
    if not texts:
        return None
    if any(map(_COMMA.fullmatch, texts)):
        return True if numbers.parse_decimal_commas(strings(texts))[2].mean() >= _MOST else None
    return False if numbers.parse(strings(texts))[1].mean() >= _MOST else None


def _short(title: str) -> str:
    return re.sub(r"[\W_]", "", title).casefold()
