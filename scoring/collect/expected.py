"""The list of expected sensors: a file with one sensor a line, which its owner keeps."""

import csv
import sys
from pathlib import Path

from scoring.errors import UsageError
from scoring.formats import EXPECTED_TXT
from scoring.keys import InvalidKey, SensorKey

_PARTS = 2


def owners_list(given: Path | None, models: Path) -> frozenset[SensorKey]:
    """The sensors in the file `given`, or in `expected.txt` beside the models, if there is one.

    That one is read in each run: it must not keep readings from being scored, so a fault in it is printed.

    Raises:
        UsageError: `given` cannot be read, lists no sensor, or a line is not a sensor.
    """
    if given is not None:
        return read_expected(given)
    try:
        return read_expected(models / EXPECTED_TXT) if (models / EXPECTED_TXT).exists() else frozenset()
    except UsageError as error:
        print(f"warning: {error}; the list is not used", file=sys.stderr)
        return frozenset()


def read_expected(path: Path) -> frozenset[SensorKey]:
    """The sensors in a file: each line is an encoded key, such as `1_3`, or `device,sensor` as CSV.

    Raises:
        UsageError: the file cannot be read, lists no sensor, or a line is not a sensor.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"expected sensors {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"expected sensors {path}: expected UTF-8 text, found other bytes") from error
    keys = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            keys.add(_key(line.strip()))
        except (InvalidKey, csv.Error) as error:
            raise UsageError(f"expected sensors {path} line {number}: {error}") from error
    if not keys:
        raise UsageError(f"expected sensors {path}: it lists no sensor: write a key such as 1_3 on each line")
    return frozenset(keys)


def _key(line: str) -> SensorKey:
    if "," not in line:
        return SensorKey.from_encoded(line)
    parts = next(csv.reader([line], strict=True))
    if len(parts) != _PARTS:
        raise InvalidKey(f"expected device,sensor, found {len(parts)} fields")
    return SensorKey(*parts)
