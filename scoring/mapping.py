"""How a file of readings is to be read where it is not `TS,Device,Sensor,Value`.

`mapping_text` has the one text for it that all commands take. docs/formats.md explains each word.

Importing this module is cheap: the function app checks its settings with it.
"""

import codecs
import csv
import io
import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scoring.errors import UsageError

WORDS = {
    "ts": "column of the timestamp, or several that make it: ts=Date,Time",
    "ts-format": "day-first, month-first, year-first, unix-s, unix-ms, unix-us, unix-ns, or %d.%m.%Y %H:%M",
    "ts-zone": "zone of timestamps without one, such as Europe/Berlin or +01:00 (default: UTC)",
    "device": "column of the device",
    "device-is": "the device of all readings",
    "device-from": "file or folder: its name is the device",
    "sensor": "column of the sensor",
    "sensor-is": "the sensor of all readings",
    "sensor-from": "file or folder: its name is the sensor",
    "value": "column of the value",
    "wide": "a column per sensor: all other columns, or only wide=A,B",
    "missing": "texts in place of a value that are no reading: missing=Bad,null",
    "delimiter": "comma, semicolon, tab, bar, space, or one character",
    "decimal": "comma: 1,5 is one and a half; point: 1,234.5 has a comma between thousands",
    "header": "line of the names of columns, where other text stands above it",
    "encoding": "encoding of the text, such as cp1252 or utf-16",
}
"""The words of a mapping, each with its meaning."""

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
FORMATS = ("iso", "unix-s", "unix-ms", "unix-us", "unix-ns", "day-first", "month-first", "year-first")
DIRECTIVES = "YymdjbBHIMSfpzZ%"
"""The letters that can follow a % in a format of timestamps, as in Python's `strptime`."""

_SAME_PART = {"y": "Y", "b": "m", "B": "m", "I": "H", "Z": "z"}
"""Directives for the same part of a timestamp."""

OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])")
_PLACES = ("file", "folder")
LISTS = {"ts": "name", "wide": "name", "missing": "text"}
"""The words that have a list, and of what."""

_ENCODINGS = re.compile(
    r"ascii|utf-(8|8-sig|(16|32)(-[lb]e)?)|iso8859-\d+|cp\d+|mac-\w+|koi8-\w|gb18030|gbk|gb2312|big5|shift_jis|euc_\w+"
)
_LAST_HEADER = 1_000
SHOWN = 80
"""Characters of a wrong value in a message."""


class InvalidMapping(UsageError):
    """A text that describes no mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How one file is to be read; a field that is not given means what is found without a mapping.

    Raises:
        InvalidMapping: a value is invalid, or two of them contradict each other.
    """

    ts: tuple[str, ...] = ()
    """The columns of the timestamp, whose texts are joined by a space; empty for what is found."""
    ts_format: str = ""
    ts_zone: str = ""
    device: str = ""
    device_is: str = ""
    device_from: str = ""
    sensor: str = ""
    sensor_is: str = ""
    sensor_from: str = ""
    value: str = ""
    wide: tuple[str, ...] | None = None
    """The columns that hold values, one per sensor; empty for all others; None for a long file."""
    missing: tuple[str, ...] = ()
    """Texts in place of a value: such a cell, and an empty one, is no reading, in a long file too."""
    delimiter: str = ""
    decimal: str = ""
    header: int = 0
    """The line of the header; 0 for the first that is not empty, a comment, or `sep=`."""
    encoding: str = ""

    def __post_init__(self) -> None:
        for part in ("device", "sensor"):
            given = [
                f"{part}{end}" for end in ("", "-is", "-from") if getattr(self, field_of(f"{part}{end}"))
            ]
            if len(given) > 1:
                raise InvalidMapping(
                    f"mapping: {' and '.join(given)} contradict each other: give one of them"
                )
            _one_of(f"{part}-from", getattr(self, f"{part}_from"), _PLACES)
        if self.wide is not None and (self.value or self.sensor or self.sensor_is or self.sensor_from):
            raise InvalidMapping(
                "mapping: in a wide file the columns are the sensors: give wide, or sensor and value"
            )
        for word, item in LISTS.items():
            if not all(text.strip() for text in getattr(self, word) or ()):
                raise InvalidMapping(f"mapping: {word} lists an empty {item}")
        if twice := [name for name in self.ts if self.ts.count(name) > 1]:
            raise InvalidMapping(f"mapping: ts lists {twice[0][:SHOWN]!r} twice: give each column once")
        _one_of("decimal", self.decimal, ("comma", "point"))
        self._check_text()
        self._check_ts()

    def _check_text(self) -> None:
        if not 0 <= self.header <= _LAST_HEADER:
            raise InvalidMapping(f"mapping: header {self.header} is not a line from 1 to {_LAST_HEADER:,}")
        if self.delimiter and not _is_delimiter(self.separator):
            words = ", ".join(DELIMITERS)
            raise InvalidMapping(
                f"mapping: delimiter {self.delimiter[:SHOWN]!r} is not one of {words}, or one character"
            )
        if self.encoding:
            try:
                known = _ENCODINGS.fullmatch(codecs.lookup(self.encoding).name)
            except (LookupError, ValueError):
                known = None
            if not known:
                shown = self.encoding[:SHOWN]
                raise InvalidMapping(
                    f"mapping: encoding {shown!r} is unknown: give one such as cp1252, latin-1 or utf-16"
                )

    def _check_ts(self) -> None:
        form = self.ts_format
        if "%" in form:
            found = re.findall(r"%(.?)", form, re.DOTALL)
            kinds = [_SAME_PART.get(letter, letter) for letter in found if letter != "%"]
            parts = {*kinds}
            has_day = "Y" in parts and ("j" in parts or {"m", "d"} <= parts)
            if not has_day or len(parts) != len(kinds) or not {*found} <= {*DIRECTIVES}:
                raise InvalidMapping(
                    f"mapping: ts-format {form[:SHOWN]!r} needs %Y, %m and %d, each once, "
                    "as in '%d.%m.%Y %H:%M:%S'"
                )
        else:
            _one_of("ts-format", form, FORMATS, " or a format such as '%d.%m.%Y %H:%M'")
        if self.ts_zone and not OFFSET.fullmatch(self.ts_zone) and not _is_zone(self.ts_zone):
            shown = self.ts_zone[:SHOWN]
            raise InvalidMapping(
                f"mapping: ts-zone {shown!r} is unknown here: give one such as Europe/Berlin or +01:00"
            )
        if self.ts_zone and form.startswith("unix"):
            raise InvalidMapping(
                f"mapping: ts-zone has no meaning with ts-format={form}, which counts in UTC"
            )

    @property
    def separator(self) -> str:
        """The delimiter as a character; empty where it is not given."""
        return DELIMITERS.get(self.delimiter, self.delimiter)

    @property
    def converts_ts(self) -> bool:
        """Whether timestamps are not ISO 8601 in UTC."""
        return self.ts_format not in {"", "iso"} or self.ts_zone not in {"", "UTC"}

    def to_json(self) -> dict[str, Any]:
        """The words that are given, as JSON values."""
        found = {word: value for word in WORDS if (value := getattr(self, field_of(word)))}
        for word in LISTS:
            if names := getattr(self, word):
                found[word] = list(names) if len(names) > 1 else names[0]
        if self.wide is not None:
            found["wide"] = list(self.wide) or True
        return {word: found[word] for word in WORDS if word in found}

    def __str__(self) -> str:
        texts = self.to_json() | {word: _list(names) for word in LISTS if (names := getattr(self, word))}
        return " ".join(
            word if value is True else f"{word}={shlex.quote(str(value))}" for word, value in texts.items()
        )

    @property
    def option(self) -> str:
        """The option of a command line that gives this mapping, ready to paste."""
        text = str(self)
        if " " not in text:
            return f"--mapping {text}"
        return f"--mapping {shlex.quote(text)}" if {*text} & {*'"$`\\!'} else f'--mapping "{text}"'


@dataclass(frozen=True, slots=True)
class Mappings:
    """A mapping for each prefix of the names of files, the longest prefix first."""

    by_prefix: tuple[tuple[str, Mapping], ...] = ()

    def of(self, name: str) -> Mapping:
        """The mapping of a file."""
        return next((mapping for prefix, mapping in self.by_prefix if name.startswith(prefix)), PLAIN)

    def __str__(self) -> str:
        """The text that gives these mappings, as `parse` reads it: words, or JSON for several prefixes."""
        if [prefix for prefix, _ in self.by_prefix] == [""]:
            return str(self.by_prefix[0][1])
        return self._json if self.by_prefix else ""

    @property
    def encoded(self) -> str:
        """The text for a command line without quotes; empty where nothing is mapped."""
        from urllib.parse import quote

        return quote(self._json, safe="") if any(mapping != PLAIN for _, mapping in self.by_prefix) else ""

    @property
    def _json(self) -> str:
        document = {prefix: mapping.to_json() for prefix, mapping in self.by_prefix}
        return json.dumps(document, ensure_ascii=False)


def field_of(word: str) -> str:
    """The field of `Mapping` that a word fills."""
    return word.replace("-", "_")


def _one_of(word: str, value: str, choices: Iterable[str], more: str = "") -> None:
    if value and value not in choices:
        raise InvalidMapping(f"mapping: {word} {value[:SHOWN]!r} is not one of {', '.join(choices)}{more}")


def _is_delimiter(text: str) -> bool:
    return len(text) == 1 and text.isascii() and not text.isalnum() and text not in "\"'\r\n\0+-.%_"


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # also ZoneInfoNotFoundError
        return False
    return True


def _list(names: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


PLAIN = Mapping()
"""The mapping of a file that needs none."""
