"""What a rejected text looks like: a hint at the setting of the source that wrote it, as a question.

A hint never changes what is accepted: `01/02/2026` can be read in two ways, so it is rejected, with a hint.
Messages add the words of a mapping that reads such texts.
"""

import re
from collections.abc import Iterable

from scoring.formats import RejectKind

_DAY_FIRST, _MONTH_FIRST = "day first?", "month first?"
MISSING = "a word for a missing value?"
_DECIMAL_COMMA, _THOUSANDS = "decimal comma?", "thousands separators?"

_LONGEST = 100
"""Characters of a longer text are not a timestamp or a number in any notation."""

_MAPPINGS = {
    (RejectKind.TIMESTAMP, hint): mapping
    for hint, mapping in {
        "Unix seconds?": "ts-format=unix-s",
        "Unix milliseconds?": "ts-format=unix-ms",
        "Unix microseconds?": "ts-format=unix-us",
        "Unix nanoseconds?": "ts-format=unix-ns",
        _DAY_FIRST: "ts-format=day-first, or month-first",
        _MONTH_FIRST: "ts-format=month-first",
        "slashes or dots for dashes?": "ts-format=year-first",
        "12-hour clock?": "ts-format=year-first",
        _DECIMAL_COMMA: "ts-format=year-first",
        "a time without its day?": "ts=Date,Time",
    }.items()
} | {
    (RejectKind.VALUE, _DECIMAL_COMMA): "decimal=comma",
    (RejectKind.VALUE, _THOUSANDS): "decimal=point",
    (RejectKind.VALUE, MISSING): "missing=WORD",
    (RejectKind.NOT_FINITE, MISSING): "missing=WORD",
}
"""The words of a mapping that reads what a hint describes."""

type _Patterns = Iterable[tuple[re.Pattern[str], str]]

_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE_FIRST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](?:\d{4}|\d{2})\b.*")

_TIMESTAMPS: _Patterns = [
    (re.compile(pattern, re.IGNORECASE | re.ASCII), hint)
    for pattern, hint in (
        (r"\d{9,10}(?:[.,]\d+)?", "Unix seconds?"),
        (r"\d{13}(?:\.\d+)?", "Unix milliseconds?"),
        (r"\d{16}", "Unix microseconds?"),
        (r"\d{19}", "Unix nanoseconds?"),
        (r"\d(?:\.\d+)?e\+?(?:0?9|12|15|18)", "a Unix time that lost its last digits?"),
        (rf"\d{{1,2}}[./ -]{{0,2}}{_MONTH}[./, -].*", _DAY_FIRST),
        (rf"{_MONTH}[./ -]{{1,2}}\d{{1,2}}\b.*", _MONTH_FIRST),
        (r"[2-6]\d{4}(?:[.,]\d+)?", "a spreadsheet's serial date?"),
        (r"\d{8}(?:[ T_]?\d{2}:?\d{2}(?::?\d{2})?(?:\.\d+)?Z?)?", "date without dashes?"),
        (r"\d{4}[/.]\d{1,2}[/.]\d{1,2}.*", "slashes or dots for dashes?"),
        (r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?", "a time without its day?"),
        (r".*\d ?[ap]\.?m\.?", "12-hour clock?"),
        (r"\d{4}-\d\d-\d\d[ T][\d:]+,\d+.*", _DECIMAL_COMMA),
        (r"\d{4}-\d\d-\d\d[ T][\d:.]+ *(?:utc|gmt|[a-z]{3,4}|[a-z_]+/[a-z_]+)", "name of a time zone?"),
        (r"\d{4}-\d\d-\d\d[ T][\d:]+\.\d{10,}.*", "more than nine digits after the second?"),
        (r"\d{4}-\d{1,2}-\d{1,2}(?:[ T].*)?", "no such day or time, or a digit too few?"),
    )
]

_NO_VALUE = (
    r"null|none|nil|nan|n/?a|<na>|#[a-z/0!?]+|-+|\?+|missing|void|no[ _-]?data"
    r"|offline|shutdown|not connected|scan off|(?:i/o timeout|comm fail|calc failed|pt created)\b.*"
    r"|(?:bad|error|invalid|stale|uncertain)\b.*"
)
"""Also what historians write in place of values."""

_VALUES: _Patterns = [
    (re.compile(pattern, re.IGNORECASE), hint)
    for pattern, hint in (
        (
            r"[+-]?\d{1,3}(?:(?:,\d{3})+\.\d*|(?:,\d{3}){2,}|(?:[ '\u00a0\u202f]\d{3})+(?:\.\d*)?)",
            _THOUSANDS,
        ),
        (
            r"[+-]?(?:\d*|\d{1,3}(?:(?:\.\d{3})+|(?:[ '\u00a0\u202f]\d{3})+)),\d+(?:e[+-]?\d+)?",
            _DECIMAL_COMMA,
        ),
        (_NO_VALUE, MISSING),
        (r"[+-]?\d+(?:[.,]\d+)? *(?:[^\W\d_]|[%°µ\"']).*", "a unit after the number?"),
    )
]

_NUMBER_PART = re.compile(r"[+-]?\d+")
_FRACTION = re.compile(r"\d+")
_OTHER_SEPARATORS = {";": "separated by semicolons?", "\t": "separated by tabs?", "|": "separated by bars?"}


def in_brackets(kind: str, hint: str) -> str:
    """A hint with the option that reads such texts, to be appended to the reason of a reject."""
    mapping = _MAPPINGS.get((RejectKind(kind), hint))
    option = f" --mapping {mapping}" if mapping else ""
    return f" ({hint}{option})" if hint else ""


def of_timestamp(text: str) -> str:
    """A hint at how a TS that is not a timestamp was written, or an empty text."""
    text = text.strip()
    if dated := len(text) <= _LONGEST and _DATE_FIRST.fullmatch(text):
        return _MONTH_FIRST if int(dated[2]) > 12 else _DAY_FIRST  # noqa: PLR2004 - months in a year
    return _first(_TIMESTAMPS, text)


def of_value(text: str) -> str:
    """A hint at how a Value that is not a number was written, or an empty text."""
    return _first(_VALUES, text.strip())


def of_fields(line: str, width: int, value: int, delimiter: str = ",") -> str:
    """A hint at why a line has not `width` fields; `value` is the place of Value."""
    fields = line.split(delimiter)
    if (
        delimiter == ","
        and len(fields) > width
        and _NUMBER_PART.fullmatch(fields[value].strip())
        and _FRACTION.fullmatch(fields[value + 1].strip())
    ):
        return _DECIMAL_COMMA
    signs = ((sign, hint) for sign, hint in _OTHER_SEPARATORS.items() if sign != delimiter)
    return next((hint for sign, hint in signs if line.count(sign) >= max(width - 1, 1)), "")


def _first(patterns: _Patterns, text: str) -> str:
    if len(text) > _LONGEST:
        return ""
    return next((hint for pattern, hint in patterns if pattern.fullmatch(text)), "")
