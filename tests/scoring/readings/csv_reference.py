"""A second reader of CSV, as a reference: slow, character by character, without columns."""

import datetime as dt
import math
import re
from dataclasses import dataclass, field

TIMESTAMP = re.compile(
    r"[ \t]*(\d{4}-\d\d-\d\d)(?:[ T](\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?"
    r"(?:Z| UTC| ?([+-])(\d\d)(?::?(\d\d))?)?)?[ \t]*",
    re.ASCII,
)
NUMBER = re.compile(r"[ \t]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t]*", re.ASCII)
COLUMNS = ["TS", "Device", "Sensor", "Value"]


@dataclass
class Expected:
    """Readings as (TS, Device, Sensor, Value), and the lines of the rejects."""

    readings: list[tuple[str, str, str, str]] = field(default_factory=list)
    rejects: list[int] = field(default_factory=list)


def read(content: bytes, header: list[str]) -> Expected:
    """The expected result for `content`, whose first line is `header`."""
    expected = Expected()
    lines = physical_lines(content)
    at = 1
    while at < len(lines):
        if not lines[at].strip(b"\r"):
            at += 1
            continue
        length, row = row_at(lines, at, header)
        reading = row and as_reading(row, header)
        if reading:
            expected.readings.append(reading)
        else:
            expected.rejects.append(at + 1)
        at += length
    return expected


def physical_lines(content: bytes) -> list[bytes]:
    """Lines without their line ends, which are those of the first line."""
    first = re.search(rb"\r*\n|\r", content)
    old_mac = first is not None and first.group() == b"\r"
    return re.split(rb"\r\n|\n|\r", content) if old_mac else re.split(rb"\r?\n", content)


def row_at(lines: list[bytes], at: int, header: list[str]) -> tuple[int, list[bytes] | None]:
    """How many lines the row at a position has, and its fields if it is a row."""
    fields, open_column = split(lines[at].rstrip(b"\r"), header)
    length = 1
    while open_column is not None and header[open_column] not in COLUMNS:
        if at + length == len(lines) or length == 64:
            break
        following, _ = split(lines[at + length], header, strict=True)
        if following and b"\r" not in lines[at + length] and as_reading(following, header):
            break
        length += 1
        joined = b"\n".join(lines[at : at + length]).rstrip(b"\r")
        fields, open_column = split(joined, header)
        if fields:
            return length, fields
    return 1, fields


def split(  # noqa: C901 - it is one state machine
    line: bytes, header: list[str], *, strict: bool = False
) -> tuple[list[bytes] | None, int | None]:
    """The fields of a line, or None, and the column whose quote is open at its end."""
    fields: list[bytes] = []
    state, value = "start", bytearray()
    for at, byte in enumerate([*line, None]):
        char = None if byte is None else chr(byte)
        if state in {"start", "plain", "closed"} and char in {",", None}:
            fields.append(bytes(value))
            state, value = "start", bytearray()
            if len(fields) == len(header) and char == ",":
                return (fields if at == len(line) - 1 else None), None
        elif char is None:
            return None, len(fields)
        elif state == "quoted":
            if char == '"':
                state = "closed"
            else:
                value.append(byte)
        elif state == "closed":
            if char != '"':
                return None, None
            value.append(byte)
            state = "quoted"
        elif state == "start" and char == '"':
            state = "quoted"
        elif char == '"' and (strict or header[len(fields)] in COLUMNS):
            return None, None
        else:
            state = "plain"
            value.append(byte)
    return (fields, None) if len(fields) == len(header) else (None, None)


def as_reading(fields: list[bytes], header: list[str]) -> tuple[str, str, str, str] | None:
    """The four fields of a row as texts, if they make a reading."""
    try:
        ts, device, sensor, value = (fields[header.index(name)].decode() for name in COLUMNS)
    except UnicodeDecodeError:
        return None
    device, sensor = (
        re.sub(r"^(0|-?[1-9][0-9]*)\.0+$(?!\n)", r"\1", part.strip(" \t")) for part in (device, sensor)
    )
    keys_valid = all(
        0 < len(part) <= 128 and not re.search(r"[\x00-\x1f\x7f-\x9f]", part) for part in (device, sensor)
    )
    number = NUMBER.fullmatch(value)
    if keys_valid and moment(ts) and number and math.isfinite(float(value)):
        return ts, device, sensor, value
    return None


def moment(text: str) -> dt.datetime | None:
    """The time in a text, to the second, or None."""
    match = TIMESTAMP.fullmatch(text)
    if not match:
        return None
    day, *parts = match.groups()
    hour, minute, second, _, sign, zone_hours, zone_minutes = parts
    try:
        found = dt.datetime.fromisoformat(day).replace(
            hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0), tzinfo=dt.UTC
        )
        dt.time(int(zone_hours or 0), int(zone_minutes or 0))
    except ValueError:
        return None
    offset = dt.timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    return found - (offset if sign == "+" else -offset) if 1678 <= found.year <= 2261 else None
