"""Which columns of a file hold what: by their names, by a mapping, or by the folder of the file."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Pairs
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrow import from_numpy, join, matches, strings, take, trim
from scoring.errors import ReadingsError
from scoring.formats import READING_COLUMNS
from scoring.mapping import PLAIN, Mapping
from scoring.readings import numbers, timestamps
from scoring.readings.rows import Rows, TextOf

_SYNONYMS = {
    "TS": ("ts", "timestamp", "datetime", "time"),
    "Device": ("device", "deviceid"),
    "Sensor": ("sensor", "sensorid"),
    "Value": ("value", "val"),
}
"""Names that cannot mean anything else, in lower case, without spaces, underscores and hyphens."""

_ENDINGS = re.compile(r"(\.(csv|tsv|txt|log|dat|parquet|pq))?(\.gz)?$", re.IGNORECASE)
_SHOWN = 200


class Columns(NamedTuple):
    """The places of the columns that are read; a text instead of a place is the same for all rows.

    `ts` are several places where the texts of several columns, joined by a space, are the timestamp. In a
    wide file, `values` are several places, and `sensors` the names of their sensors.
    """

    ts: tuple[int, ...]
    device: int | str
    sensor: int | str
    values: tuple[int, ...]
    sensors: tuple[str, ...] = ()
    mapping: Mapping = PLAIN

    @property
    def places(self) -> list[int]:
        """All places that are read, each once."""
        read = (*self.ts, self.device, "" if self.sensors else self.sensor, *self.values)
        return [*dict.fromkeys(place for place in read if isinstance(place, int))]

    @property
    def keys(self) -> set[int | str]:
        """The places that are read as Device or Sensor, and as nothing else."""
        return {self.device, self.sensor} - {*self.ts, *self.values}

    @property
    def are_plain(self) -> bool:
        """Whether each row is one reading of four columns, as they are."""
        return (
            len(self.places) == len(READING_COLUMNS)
            and len(self.ts) == 1
            and not self.sensors
            and not self.mapping.decimal
            and not self.mapping.missing
            and not self.mapping.converts_ts
        )

    def rows(self, columns: Pairs[int, pa.Array], count: int, lines: np.ndarray, text_of: TextOf) -> Rows:
        """The readings of `count` rows of a file, as unchecked rows: in a wide file, one for each full cell.

        With `missing` in the mapping, a row of a long file whose value is missing is no reading either.

        `columns` are texts, or dictionaries of texts for Device and Sensor, by their places.
        """

        def key_part(part: int | str) -> pa.DictionaryArray:
            found = columns[part] if isinstance(part, int) else _constant(part, count)
            return found if isinstance(found, pa.DictionaryArray) else found.dictionary_encode()

        ts, times, valid = self._utc(_joined([columns[place] for place in self.ts]))
        device, first = key_part(self.device), columns[self.values[0]]
        sensor = device if self.sensors else key_part(self.sensor)
        rows = Rows(ts, device, sensor, first, lines, text_of, (times, valid), mapping=self.mapping)
        if self.sensors or self.mapping.missing:
            rows = self._melted(rows, pa.concat_arrays([columns[place] for place in self.values]))
        return self._with_points(rows)

    def _melted(self, rows: Rows, cells: pa.StringArray) -> Rows:
        """A row for each cell that is not empty, row by row; `cells` come column by column."""
        count, width = len(rows.lines), len(self.values)
        order = np.arange(width * count, dtype=np.int64).reshape(width, count).T.ravel()
        full = order[self._are_full(trim(cells))[order]]
        row, column = full % count, full // count
        times, valid = rows.times or timestamps.parse(rows.ts)

        def text_of(cell: int) -> bytes:
            return rows.text_of(int(row[cell]))

        return rows._replace(
            ts=take(rows.ts, row),
            device=take(rows.device, row),
            sensor=_dictionary(column, self.sensors) if self.sensors else take(rows.sensor, row),
            value=take(cells, full),
            lines=rows.lines[row],
            text_of=text_of,
            times=(times[row], valid[row]),
        )

    def _are_full(self, cells: pa.StringArray) -> np.ndarray:
        """Which cells hold a value, or a text that is rejected in its place."""
        full: np.ndarray = _lengths(cells) > 0
        if self.mapping.missing:
            full &= ~matches(cells, rf"\A(?:{'|'.join(map(_literal, self.mapping.missing))})\z")
        return full

    def _utc(self, ts: pa.StringArray) -> tuple[pa.StringArray, np.ndarray, np.ndarray]:
        """Timestamps as texts, as times, and which are valid: in UTC where the mapping converts them."""
        if not self.mapping.converts_ts:
            return ts, *timestamps.parse(ts)
        from scoring.readings import ts_formats

        times, valid = ts_formats.parse(ts, self.mapping)
        return _either(valid, timestamps.to_texts(times, timestamps.UNITS["ns"]), ts), times, valid

    def _with_points(self, rows: Rows) -> Rows:
        """The rows with plain numbers, where the mapping says which sign comes before decimals."""
        if not self.mapping.decimal:
            return rows
        texts, values, valid = numbers.parse_grouped(rows.value, self.mapping.decimal)
        return rows._replace(value=_either(valid, texts, rows.value), values=(values, valid))


def find_columns(titles: Sequence[str], mapping: Mapping, file: str) -> Columns:
    """The columns of a file with these titles; `file` is its name.

    Raises:
        ReadingsError: one of them is missing, or there are several: the message says what was found.
    """
    find = _Finder(titles, file)
    ts = tuple(find.column("TS", name) for name in mapping.ts or ("",))
    device = find.part("Device", mapping.device, mapping.device_is, mapping.device_from)
    if mapping.wide is None:
        sensor = find.part("Sensor", mapping.sensor, mapping.sensor_is, mapping.sensor_from)
        return Columns(ts, device, sensor, (find.column("Value", mapping.value),), mapping=mapping)
    if mapping.wide:
        values = [find.column("Value", name) for name in mapping.wide]
    else:
        values = [place for place, title in enumerate(titles) if title and place not in {*ts, device}]
    sensors = tuple(titles[place] for place in values)
    if len({*sensors}) < len(sensors):
        twice = next(name for name, count in Counter(sensors).items() if count > 1)
        raise ReadingsError(f"several columns named {twice[:40]!r}, which would be one sensor")
    if not values:
        raise ReadingsError(f"no column of a sensor in {find.shown}")
    return Columns(ts, device, "", tuple(values), sensors, mapping)


class _Finder:
    def __init__(self, titles: Sequence[str], file: str) -> None:
        self._titles, self._file = titles, file
        self._exact = _places_by(titles)
        self._folded = _places_by(title.casefold() for title in titles)
        self.shown = repr(",".join(titles)[:_SHOWN])

    def column(self, what: str, given: str) -> int:
        """The place of a column, which the mapping names or not."""
        places = self._places(what, given)
        if len(places) == 1:
            return places[0]
        name = f"{given} ({what})" if given else what
        if len(places) > 1:
            names = sorted({self._titles[place] for place in places})
            which = "" if len(names) == 1 else f" ({' and '.join(names)}): name one with {what.lower()}="
            raise ReadingsError(f"{len(places)} columns {name} in {self.shown}{which}")
        raise ReadingsError(f"no column {name} in {self.shown}")

    def part(self, what: str, given: str, text: str, place: str) -> int | str:
        """The place of Device or Sensor, or the text that is the same for all rows."""
        folder, _, name = self._file.rpartition("/")
        if text:
            return text
        if place == "file":
            return _ENDINGS.sub("", name)
        if place == "folder":
            if not folder:
                raise ReadingsError(f"no folder that names the {what}: {self._file[:_SHOWN]!r} lies in none")
            return folder.rpartition("/")[2]
        if not self._places(what, given):
            names = {_short(given)} if given else {*_SYNONYMS[what]}
            found = {value for key, value in _hive_parts(folder) if _short(key) in names}
            if len(found) == 1:
                return found.pop()
        return self.column(what, given)

    def _places(self, what: str, given: str) -> list[int]:
        """Columns of exactly this name; else in other letters; else of a name that means the same."""
        name = given or what
        same = self._exact.get(name) or self._folded.get(name.casefold())
        if same or given:
            return same or []
        return [place for place, title in enumerate(self._titles) if _short(title) in _SYNONYMS[what]]


def _places_by(titles: Iterable[str]) -> dict[str, list[int]]:
    """The places of each title; a wide file has thousands, and a mapping can name each."""
    found: dict[str, list[int]] = {}
    for place, title in enumerate(titles):
        found.setdefault(title, []).append(place)
    return found


def _hive_parts(folder: str) -> Iterable[tuple[str, str]]:
    """`name=value` in the names of folders, as data lakes write them, percent-encoded."""
    from urllib.parse import unquote

    for part in folder.split("/"):
        name, equals, value = part.partition("=")
        if equals and name and value:
            yield unquote(name), unquote(value)


def _short(title: str) -> str:
    return re.sub(r"[ _-]", "", title).casefold()


def _joined(columns: Sequence[pa.StringArray]) -> pa.StringArray:
    """The texts of several columns as one; empty where one of them is: a day without its time is no time."""
    if len(columns) == 1:
        return columns[0]
    parts = [trim(column) for column in columns]
    whole = np.all([_lengths(part) > 0 for part in parts], axis=0)
    return _either(whole, join(parts, " "), strings([""] * len(whole)))


def _constant(text: str, count: int) -> pa.DictionaryArray:
    return _dictionary(np.zeros(count, np.int32), [text])


def _dictionary(codes: np.ndarray, texts: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(from_numpy(codes.astype(np.int32)), strings(texts))


def _literal(text: str) -> str:
    """The pattern of a text that is compared without the spaces around it."""
    return re.escape(text.strip(" \t"))


def _lengths(texts: pa.StringArray) -> np.ndarray:
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)
    return np.diff(offsets)


def _either(valid: np.ndarray, new: pa.StringArray, old: pa.StringArray) -> pa.StringArray:
    """The new texts where they are valid, and the old ones elsewhere."""
    if valid.all():
        return new
    return take(pa.concat_arrays([new, old]), np.arange(len(new)) + np.where(valid, 0, len(new)))
