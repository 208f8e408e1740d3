"""`python -m scoring import-models`."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.errors import EXIT_DONE, EXIT_FAILED, ModelError, UsageError
from scoring.keys import MODEL_PREFIX, MODEL_SUFFIX, InvalidKey, SensorKey

if TYPE_CHECKING:
    from scoring.models import Detector

_PICKLE, _COMPRESSED = r"\.(?:pkl|pickle|joblib|sav)", r"\.(?:z|gz|bz2|xz|lzma)"
_ENDING = re.compile(f"(?:{_PICKLE})?(?:{_COMPRESSED})?$", re.IGNORECASE)
_COPY = re.compile(f"(?P<good>.+?{_PICKLE})(?![a-z])", re.IGNORECASE)

_EXAMPLE = """\
Reads each pickle or joblib file named model_DEVICE_SENSOR as data, also with .pkl, .pickle, .joblib or .sav,
and .z, .gz, .bz2, .xz or .lzma after that: nothing that a pickle asks for is run, and one that asks for more
than a model is made of is refused by name.
Each converted model is compared with the numbers of its pickle before it is kept.

Example:
  python -m scoring import-models old-models models

Exit codes: 0 all imported; 1 some were refused, the others are imported; 2 wrong use.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("source", metavar="SRC", type=Path, help="a legacy model, or a folder of them")
    parser.add_argument("models", metavar="DST", type=Path, help="folder for the .skops models")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Import, tell each refused file in a line, and sum up in one."""
    from scoring.progress import progress

    files = _files(args.source)
    refused: dict[str, str] = {}
    taken: dict[SensorKey, Path] = {}
    with progress("importing", len(files), "models") as advance:
        for path in files:
            try:
                _import(path, args.models, taken)
            except (ModelError, InvalidKey) as error:
                refused[path.name] = str(error)
            advance()
    for name, reason in refused.items():
        print(f"refused {name!r}: {_printable(reason)}", file=sys.stderr)
    counts = {"imported": len(taken), "refused": len(refused)}
    line = f"imported {len(taken):,} of {len(files):,} models -> {args.models}"
    print(json.dumps(counts) if args.json else line)
    return EXIT_FAILED if refused else EXIT_DONE


def _printable(reason: str) -> str:
    """One line, whatever names a hostile file made up."""
    line = " ".join(reason.split())
    return "".join(character if character.isprintable() else "?" for character in line)


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UsageError(f"{source} is not there: name a legacy model, or a folder of them")
    files = sorted(path for path in source.iterdir() if not path.is_dir() and path.name[:1] not in "._")
    if not files:
        raise UsageError(f"{source} is empty: name a folder of legacy models")
    return files


def _key(name: str) -> SensorKey:
    stem = _ENDING.sub("", name)
    if copy := _COPY.match(stem):
        raise InvalidKey(f"its name goes on after the ending: is it a copy? Rename it to {copy['good']}")
    parts = stem.removeprefix(MODEL_PREFIX).split("_")
    if not stem.startswith(MODEL_PREFIX) or len(parts) != 2:  # noqa: PLR2004 - device and sensor
        raise InvalidKey("its name does not say whose model it is: expected model_DEVICE_SENSOR")
    return SensorKey(parts[0], parts[1])


def _import(path: Path, models: Path, taken: dict[SensorKey, Path]) -> None:
    """Convert, see that what will be read answers alike, and save."""
    from scoring.atomic_files import write_atomically
    from scoring.legacy import read_pickle
    from scoring.legacy_estimators import convert
    from scoring.models import detector_from, model_bytes, read_file

    if path.name.endswith(MODEL_SUFFIX):
        raise InvalidKey("it is a .skops file already: copy it")
    key = _key(path.name)
    if key in taken:
        raise InvalidKey(f"{taken[key].name!r} is a model of the same sensor")
    estimator = convert(read_pickle(read_file(path)))
    content = model_bytes(estimator)
    _compare(estimator, detector_from(content, key.model_name))
    write_atomically(models / key.model_name, content)
    taken[key] = path


def _compare(estimator: Any, saved: "Detector") -> None:
    import numpy as np

    from scoring.svm import RELATIVE_ERROR

    probe = np.linspace(-100.0, 200.0, 61)
    _, scores = saved.predict(probe)
    if not np.allclose(scores, estimator.decision_function(probe[:, None]), rtol=RELATIVE_ERROR, atol=0):
        raise ModelError("answers differently after it was saved; train it again")
