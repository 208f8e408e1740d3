"""The list of expected sensors: a file with one sensor a line, which its owner keeps."""

import csv
from pathlib import Path

from scoring.errors import UsageError
from scoring.keys import InvalidKey, SensorKey

_PARTS = 2


def read_expected(path: Path) -> frozenset[SensorKey]:
    """The sensors in a file: each line is an encoded key, such as `1_3`, or `device,sensor` as CSV.

    Raises:
        UsageError: the file cannot be read, lists no sensor, or a line is not a sensor.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"--expected {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--expected {path}: expected UTF-8 text, found other bytes") from error
    keys = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            keys.add(_key(line.strip()))
        except (InvalidKey, csv.Error) as error:
            raise UsageError(f"--expected {path} line {number}: {error}") from error
    if not keys:
        raise UsageError(f"--expected {path} lists no sensor: write a key such as 1_3 on each line")
    return frozenset(keys)


def _key(line: str) -> SensorKey:
    if "," not in line:
        return SensorKey.from_encoded(line)
    parts = next(csv.reader([line], strict=True))
    if len(parts) != _PARTS:
        raise InvalidKey(f"expected device,sensor, found {len(parts)} fields")
    return SensorKey(*parts)
