"""Self-describing landings: each row identifies its landing, so that the checker needs no other source.

A blob's name encodes its kind and number; the times of its rows encode number and version: each replacement
of a blob is a new version. All landings of one kind have the same number of readings and of bad rows.
"""

import gzip
import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

SENSORS = (("1", "1"), ("1", "2"), ("2", "1"), ("2", "2"))
ROWS = 3
"""Readings of each sensor in one landing."""
VERSIONS = 10
"""Upper limit for the versions of a blob."""

_START = datetime(2026, 1, 1)  # noqa: DTZ001 - readings have times without an offset
_NAME = re.compile(r"(?P<kind>[a-z-]+)/(?P<number>\d{6})\.csv(\.gz)?")


class Kind(StrEnum):
    """The kind of a landing's content."""

    GOOD = "good"
    BAD_ROWS = "bad-rows"  # good rows, and some that cannot be scored
    NO_COLUMN = "no-column"  # without the column Value
    NO_TEXT = "no-text"  # binary data
    CUT = "cut"  # a truncated gzip file

    @property
    def readable(self) -> bool:
        """Whether its readings must be scored."""
        return self in {Kind.GOOD, Kind.BAD_ROWS}

    @property
    def rejected(self) -> int:
        """How many of its rows must be rejected."""
        return len(_BAD) if self is Kind.BAD_ROWS else 0


@dataclass(frozen=True, slots=True)
class Row:
    """One reading."""

    device: str
    sensor: str
    ts: str
    value: str


def blob_name(kind: Kind, number: int) -> str:
    """The blob name of a landing."""
    return f"{kind}/{number:06}.csv" + (".gz" if kind is Kind.CUT else "")


def parse_name(name: str) -> tuple[Kind, int]:
    """Kind and number of a blob.

    Raises:
        ValueError: the soak test did not upload this blob.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not a blob of the soak test")
    return Kind(found["kind"]), int(found["number"])


def stamp(number: int, version: int, row: int) -> str:
    """The time of a reading."""
    time = _START + timedelta(milliseconds=(number * VERSIONS + version) * ROWS + row)
    return time.isoformat(" ", "milliseconds")


def parse_stamp(ts: str) -> tuple[int, int]:
    """Number and version of the landing that holds a reading."""
    number, version = divmod((datetime.fromisoformat(ts) - _START) // timedelta(milliseconds=ROWS), VERSIONS)
    return number, version


def content(kind: Kind, number: int, version: int, chance: random.Random) -> bytes:
    """The bytes of a landing."""
    if kind is Kind.NO_TEXT:
        return b"\x00" + chance.randbytes(200)
    lines = [
        f"{stamp(number, version, row)},{device},{sensor},{value(device, sensor, chance)!r}"
        for row in range(ROWS)
        for device, sensor in SENSORS
    ]
    if kind is Kind.BAD_ROWS:
        for bad in _BAD:
            lines.insert(chance.randrange(len(lines) + 1), bad)
    header = "TS,Device,Sensor" + ("" if kind is Kind.NO_COLUMN else ",Value")
    text = "\n".join([header, *lines, ""]).encode()
    return gzip.compress(text, mtime=0)[:-20] if kind is Kind.CUT else text


def value(device: str, sensor: str, chance: random.Random) -> float:
    """A random reading, usually close to the sensor's normal value."""
    usual = 10.0 * int(device) + 3.0 * int(sensor)
    return chance.gauss(usual, 1.0) if chance.random() < 0.95 else chance.uniform(-100, 100)  # noqa: PLR2004


def parse(text: bytes) -> tuple[list[Row], list[int]]:
    """The readings of a landing in order, and the numbers of its bad lines; the header is line 1."""
    rows, bad = [], []
    for number, line in enumerate(text.decode().splitlines()[1:], 2):
        if line in _BAD:
            bad.append(number)
        else:
            ts, device, sensor, reading = line.split(",")
            rows.append(Row(device, sensor, ts, reading))
    return rows, bad


_BAD = (
    "yesterday,1,1,5.0",
    "2026-01-01 00:00:00,1,1,nan",
    "2026-01-01 00:00:00,,1,5.0",
    "2026-01-01 00:00:00,1,1",
    "2026-01-01 00:00:00,2,2,warm",
)
"""Lines that cannot be scored."""
