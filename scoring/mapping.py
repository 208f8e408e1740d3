"""How a file of readings is to be read where it is not `TS,Device,Sensor,Value`: one text for all commands.

    ts=Zeit wide decimal=comma ts-format=day-first device-from=file

The same text is the option `--mapping`, the setting SCORING_MAPPING and MAPPING of `make run`. JSON has the
same words, `{"ts": "Zeit", "wide": true}`; or a mapping for each prefix of the names of files, of which the
longest that fits is used: `{"site-a/": "wide", "": ""}`. Steps get the JSON percent-encoded. docs/formats.md
explains each word.

Importing this module is cheap: the function app checks its settings with it.
"""

import codecs
import csv
import io
import json
import re
import shlex
from collections.abc import Iterable
from collections.abc import Mapping as Pairs
from dataclasses import dataclass
from typing import Any

from scoring.errors import UsageError
from scoring.printable import unknown

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
_LISTS = ("ts", "wide")
"""The words that list columns."""

_ENCODINGS = re.compile(
    r"ascii|utf-(8|8-sig|(16|32)(-[lb]e)?)|iso8859-\d+|cp\d+|mac-\w+|koi8-\w|gb18030|gbk|gb2312|big5|shift_jis|euc_\w+"
)
_LONGEST = 16_000
_LAST_HEADER = 1_000
_SHOWN = 80


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
    delimiter: str = ""
    decimal: str = ""
    header: int = 0
    """The line of the header; 0 for the first that is not empty, a comment, or `sep=`."""
    encoding: str = ""

    def __post_init__(self) -> None:
        for part in ("device", "sensor"):
            given = [f"{part}{end}" for end in ("", "-is", "-from") if getattr(self, _field(f"{part}{end}"))]
            if len(given) > 1:
                raise InvalidMapping(
                    f"mapping: {' and '.join(given)} contradict each other: give one of them"
                )
            _one_of(f"{part}-from", getattr(self, f"{part}_from"), _PLACES)
        if self.wide is not None and (self.value or self.sensor or self.sensor_is or self.sensor_from):
            raise InvalidMapping(
                "mapping: in a wide file the columns are the sensors: give wide, or sensor and value"
            )
        for word in _LISTS:
            if not all(getattr(self, word) or ()):
                raise InvalidMapping(f"mapping: {word} lists a column without a name")
        if twice := [name for name in self.ts if self.ts.count(name) > 1]:
            raise InvalidMapping(f"mapping: ts lists {twice[0][:_SHOWN]!r} twice: give each column once")
        _one_of("decimal", self.decimal, ("comma", "point"))
        self._check_text()
        self._check_ts()

    def _check_text(self) -> None:
        if not 0 <= self.header <= _LAST_HEADER:
            raise InvalidMapping(f"mapping: header {self.header} is not a line from 1 to {_LAST_HEADER:,}")
        if self.delimiter and not _is_delimiter(self.separator):
            words = ", ".join(DELIMITERS)
            raise InvalidMapping(
                f"mapping: delimiter {self.delimiter[:_SHOWN]!r} is not one of {words}, or one character"
            )
        if self.encoding:
            try:
                known = _ENCODINGS.fullmatch(codecs.lookup(self.encoding).name)
            except (LookupError, ValueError):
                known = None
            if not known:
                shown = self.encoding[:_SHOWN]
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
                    f"mapping: ts-format {form[:_SHOWN]!r} needs %Y, %m and %d, each once, "
                    "as in '%d.%m.%Y %H:%M:%S'"
                )
        else:
            _one_of("ts-format", form, FORMATS, " or a format such as '%d.%m.%Y %H:%M'")
        if self.ts_zone and not OFFSET.fullmatch(self.ts_zone) and not _is_zone(self.ts_zone):
            shown = self.ts_zone[:_SHOWN]
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
        found = {word: value for word in WORDS if (value := getattr(self, _field(word)))}
        if self.ts:
            found["ts"] = list(self.ts) if len(self.ts) > 1 else self.ts[0]
        if self.wide is not None:
            found["wide"] = list(self.wide) or True
        return {word: found[word] for word in WORDS if word in found}

    def __str__(self) -> str:
        texts = self.to_json() | {word: _list(names) for word in _LISTS if (names := getattr(self, word))}
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


def parse(text: str) -> Mappings:
    """The mappings that a text describes: words, JSON, or percent-encoded JSON.

    Raises:
        InvalidMapping: it describes no mapping; the message says what is wrong.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise InvalidMapping(f"mapping: {len(text):,} characters, more than {_LONGEST:,}")
    if text.startswith("%7B"):
        from urllib.parse import unquote

        text = unquote(text)
    if not text.startswith("{"):
        return _only(_from_words(text))
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidMapping(f"mapping: not JSON ({str(error)[:_SHOWN]})") from error
    # No word has an object as its value; so a document with one, or with none of the words, has prefixes.
    if (
        document
        and not any(isinstance(value, dict) for value in document.values())
        and {*document} & {*WORDS}
    ):
        return _only(_from_json(document))
    found = {prefix: _mapping_of(prefix, value) for prefix, value in document.items()}
    return Mappings(tuple(sorted(found.items(), key=lambda item: (-len(item[0]), item[0]))))


def _only(mapping: Mapping) -> Mappings:
    return Mappings() if mapping == PLAIN else Mappings((("", mapping),))


def _mapping_of(prefix: str, value: Any) -> Mapping:
    try:
        if isinstance(value, str):
            return _from_words(value)
        if isinstance(value, dict):
            return _from_json(value)
    except InvalidMapping as error:
        raise InvalidMapping(
            f"{error}, in the mapping for names that start with {prefix[:_SHOWN]!r}"
        ) from error
    raise InvalidMapping(
        f"mapping: {prefix[:_SHOWN]!r} is not one of the words {', '.join(WORDS)}, nor has it a mapping"
    )


def _from_words(text: str) -> Mapping:
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise InvalidMapping(f"mapping: {text[:_SHOWN]!r}: {error}") from error
    found: dict[str, Any] = {}
    for part in parts:
        word, equals, value = part.partition("=")
        if word in found:
            raise InvalidMapping(f"mapping: {word} is given twice")
        if not equals and word in WORDS and word != "wide":
            raise InvalidMapping(f"mapping: {word} has no value: give {word}=…, {WORDS[word]}")
        found[word] = (next(csv.reader([value]), []) if equals else True) if word in _LISTS else value
    return _from_json(found)


def _from_json(document: Pairs[str, Any]) -> Mapping:
    values: dict[str, Any] = {}
    for word, value in document.items():
        if word not in WORDS:
            raise InvalidMapping(f"mapping: {unknown(word, WORDS, 'words')}")
        if word in _LISTS and _are_texts(value):
            values[word] = tuple(value)
            if not value:
                more = ": give wide alone for all others" if word == "wide" else ""
                raise InvalidMapping(f"mapping: {word} lists no column{more}")
        elif word == "header" and re.fullmatch(r"[1-9][0-9]{0,8}", str(value)):
            values[word] = int(value)
        elif word == "wide" and isinstance(value, bool):
            values[word] = () if value else None
        elif word != "header" and isinstance(value, str) and value and _is_text(value):
            values[_field(word)] = (value,) if word == "ts" else value
        else:
            raise InvalidMapping(f"mapping: {word} is {str(value)[:_SHOWN]!r}: give {WORDS[word]}")
    return Mapping(**values)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and _is_text(item) for item in value)


def _is_text(value: str) -> bool:
    """Whether a text can be printed, and stored as UTF-8; a tab can be a delimiter."""
    return value == "\t" or value.isprintable()


def _field(word: str) -> str:
    return word.replace("-", "_")


def _one_of(word: str, value: str, choices: Iterable[str], more: str = "") -> None:
    if value and value not in choices:
        raise InvalidMapping(f"mapping: {word} {value[:_SHOWN]!r} is not one of {', '.join(choices)}{more}")


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
