"""Which mapping would read a file, as its first rows show: a proposal for a person, never used by itself."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from scoring.arrow import strings
from scoring.errors import ReadingsError
from scoring.mapping import DELIMITERS, PLAIN, InvalidMapping, Mapping
from scoring.readings import hints
from scoring.readings.columns import find_columns
from scoring.readings.device_column import find_both, find_device, find_sensor, repeated_note
from scoring.readings.file_kinds import kind_of
from scoring.readings.missing_words import find_missing_words
from scoring.readings.samples import (
    Sample,
    are_times_of_day,
    decimal_of,
    has_number,
    has_timestamp,
    sample_of,
    ts_format,
)

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
    *(
        "index",
        "row",
        "rownumber",
        "record",
        "recordnumber",
        "rn",
        "recno",
        "offset",
        "sequencenumber",
        "id",
        "",
    ),
}
"""Columns of numbers that are not sensors: labels and row numbers."""

_SHOWN = 40
_MOST_SEARCHED = 100
"""Columns that are searched for timestamps where none is named so."""

_SLASHED = re.compile(r"\d{1,2}[/-]\d{1,2}[/-]\d+.*")


class Suggestion(NamedTuple):
    """A mapping, and what to check before it is used; or no mapping, and why."""

    mapping: Mapping | None
    notes: tuple[str, ...] = ()


def suggest(sample: Sample, file: str) -> Suggestion:
    """The mapping that would read the file of this name, if its columns show one."""
    words: dict[str, Any] = {}
    notes: list[str] = []
    ts, form = _find_ts(sample)
    if not ts:
        return Suggestion(None, (_no_ts(sample),))
    words["ts"] = tuple(sample.titles[place] for place in ts)
    if form:
        words["ts_format"] = form
    notes += _order_note(sample.joined(ts), form)
    decimals = [decimal_of(sample.column(place)) for place in range(len(sample.titles))]
    named = [_named(sample, names, ts) for names in (_SENSOR, _VALUE)]
    long = [place for place in named if place is not None] if None not in named else []
    keys = [*ts, *long[:1]]
    device = _named(sample, _DEVICE, keys)
    unread: list[str] = []
    if device is None:
        device, unread = find_device(sample, keys, long)
    if not long and (found := _sensors_in_rows(sample, ts, device, decimals)):
        device, *long = found.places
        keys, unread = [*ts, long[0]], found.notes
    notes += unread
    repeated = repeated_note(sample, [*keys, *([device] if device is not None else [])], is_wide=not long)
    notes += repeated
    words |= {"device_from": "file"} if device is None else {"device": sample.titles[device]}
    others = long[1:] or [
        place for place, title in enumerate(sample.titles) if title and place not in {*ts, device}
    ]
    values = [place for place in others if decimals[place] is not None]
    if long:
        words |= dict(zip(("sensor", "value"), (sample.titles[place] for place in long), strict=True))
    else:
        values = [place for place in values if _short(sample.titles[place]) not in _NO_SENSOR]
        if repeated and values == named[:1]:  # names of sensors, which would be read as a sensor's values
            name = sample.titles[values[0]][:_SHOWN]
            return Suggestion(None, (f"no column holds values: {name!r} names the sensors",))
        if unread and len(values) == 1:
            notes.append("only one column holds numbers: if another names sensors, sensor=NAME value=NAME")
        words["wide"] = () if values == others else tuple(sample.titles[place] for place in values)
    notes += _not_numbers(sample, [place for place in others if decimals[place] is None])
    if not values:
        return Suggestion(None, tuple(notes) or ("no column holds numbers",))
    words |= _of_text(sample, [decimals[place] for place in values], notes)
    if missing := find_missing_words(sample, values):
        words["missing"] = missing
        notes.append(f"{Mapping(missing=missing)}: check that these words mean that there is no reading")
    return _shortest(sample, words, file, notes)


class _Rows(NamedTuple):
    """Columns of device, sensor and value, and what to check of them."""

    places: tuple[int, int, int]
    notes: list[str]


def _sensors_in_rows(
    sample: Sample, ts: Sequence[int], device: int | None, decimals: Sequence[str | None]
) -> _Rows | None:
    """The columns of a file whose rows of one time differ by the sensor, in a column of any name."""
    notes: list[str] = []
    sensor = None if device is None else find_sensor(sample, [*ts, device])
    if device is None and (both := find_both(sample, ts)):
        device, sensor = both
        names = " and ".join(repr(sample.titles[place][:_SHOWN]) for place in both)
        notes.append(f"only {names} together distinguish rows of one time: check which names the device")
    if device is None or sensor is None:
        return None
    numbers = [place for place, decimal in enumerate(decimals) if decimal is not None]
    values = [place for place in numbers if place not in {*ts, device, sensor}]
    value = values[0] if len(values) == 1 else _named(sample, _VALUE, [*ts, device, sensor])
    return None if value is None else _Rows((device, sensor, value), notes)


def _of_text(sample: Sample, decimals: Iterable[str | None], notes: list[str]) -> dict[str, Any]:
    """The words for how the text of the file is written."""
    words: dict[str, Any] = {}
    if needed := [decimal for decimal in decimals if decimal]:
        words["decimal"] = needed[0]
    if sample.delimiter not in ",;\t":
        words["delimiter"] = next(name for name, sign in DELIMITERS.items() if sign == sample.delimiter)
    if sample.header:
        words["header"] = sample.header
    if sample.encoding:
        words["encoding"] = sample.encoding
        notes.append("its text is not UTF-8: check letters such as umlauts")
    return words


def _no_ts(sample: Sample) -> str:
    for place, title in enumerate(sample.titles):
        if _short(title) in _TS and (texts := sample.column(place)):
            return f"{_quoted(title, texts[0])}, a timestamp in no known format: describe it with ts-format"
    return "no column holds timestamps"


def _not_numbers(sample: Sample, places: Iterable[int]) -> list[str]:
    """The first of these columns whose texts look like numbers that are written in another way."""
    for place in places:
        texts = sample.column(place)
        if hint := next(filter(None, map(hints.of_value, texts)), ""):
            text = next(text for text in texts if hints.of_value(text) == hint)
            return [f"{_quoted(sample.titles[place], text)}, not a number ({hint}): export numbers alone"]
    return []


def _quoted(title: str, text: str) -> str:
    return f"column {title[:_SHOWN]!r} holds {text[:_SHOWN]!r}"


def _shortest(sample: Sample, words: dict[str, Any], file: str, notes: list[str]) -> Suggestion:
    """Without the words that change nothing."""
    try:
        mapping = Mapping(**words)
        columns = find_columns(sample.titles, mapping, file)
    except (InvalidMapping, ReadingsError) as error:
        return Suggestion(None, (str(error),))
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
    return advice_on(found, sample_of(head, mapping), mapping, file)


def advice_on(found: str, sample: Sample, mapping: Mapping, file: str) -> str:
    """Why a file cannot be read, and how it can be."""
    if has_no_header(sample):
        return f"{found} (no header? write the names of the columns above it, without a # before them)"
    suggestion = suggest(sample, file)
    notes = "; ".join([*suggestion.notes, "docs/formats.md"])
    if suggestion.mapping is None:
        return f"{found} ({notes})"
    if suggestion.mapping in {mapping, PLAIN}:
        return f"{found} (docs/formats.md)"
    return f"{found}; {suggestion.mapping.option} reads it ({notes})"


def has_no_header(sample: Sample) -> bool:
    """Whether the first line holds values: a timestamp and a number."""
    titles = [title for title in sample.titles if title]
    return has_timestamp(titles) and has_number(titles)


def _find_ts(sample: Sample) -> tuple[tuple[int, ...], str]:
    """The columns of timestamps and their format: one that is named so, else the first that holds some."""
    by_name = [place for place, title in enumerate(sample.titles) if _short(title) in _TS]
    others = [place for place in range(len(sample.titles)) if place not in by_name]
    for place in (*by_name, *others[:_MOST_SEARCHED]):
        form = ts_format(sample.column(place))
        if form is not None and (place in by_name or not form.startswith("unix")):
            return _with_time_of_day(sample, place) or ((place,), form)
    return (), ""


def _with_time_of_day(sample: Sample, day: int) -> tuple[tuple[int, ...], str] | None:
    """A column of days and the one of times of day that belongs to it, and the format of both together."""
    if any(":" in text for text in sample.column(day)):
        return None
    for place in range(len(sample.titles)):
        if sample.titles[place] != sample.titles[day] and are_times_of_day(sample.column(place)):
            form = ts_format(sample.joined((day, place)))
            if form is not None:
                return (day, place), form
    return None


def _order_note(texts: list[str], form: str) -> list[str]:
    """What to check where the day need not come first."""
    if form != "day-first" or not _is_ambiguous(texts):
        return []
    return [f"{texts[0]!r} can also be read with ts-format=month-first: check which it is"]


def _is_ambiguous(texts: list[str]) -> bool:
    """Whether days and months can be exchanged; a point between them is written where the day comes first."""
    from scoring.readings import ts_formats

    valid = ts_formats.parse(strings(texts), Mapping(ts_format="month-first"))[1]
    return _SLASHED.fullmatch(texts[0]) is not None and bool(valid.all())


def _named(sample: Sample, names: set[str], ts: Sequence[int]) -> int | None:
    found = [place for place, title in enumerate(sample.titles) if _short(title) in names and place not in ts]
    return found[0] if found else None


def _short(title: str) -> str:
    return re.sub(r"[\W_]", "", title).casefold()
