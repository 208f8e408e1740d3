"""`python -m scoring import-models`."""

import argparse
import json
import sys
from pathlib import Path

from scoring.errors import EXIT_DONE, EXIT_FAILED, ModelError, UsageError
from scoring.keys import MODEL_PREFIX, MODEL_SUFFIX, InvalidKey, SensorKey
from scoring.model_names import LEGACY_COPY, LEGACY_ENDING, describe_others, is_legacy_array, may_be_legacy
from scoring.printable import printable

_EXAMPLE = """\
Reads each pickle or joblib file named model_DEVICE_SENSOR as data, also with .pkl, .pickle, .joblib or .sav,
and .z, .gz, .bz2, .xz or .lzma after that: nothing that a pickle asks for is run. The parameters that
prediction needs are saved; a detector or transformer that is not supported is refused by name.
Each saved model is compared with the numbers of its pickle before it is kept.

Example:
  python -m scoring import-models old-models models

Exit codes: 0 all imported; 1 some were refused, the others are imported; 2 usage error.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("source", metavar="SRC", type=Path, help="a legacy model, or a folder of them")
    parser.add_argument("models", metavar="DST", type=Path, help="folder for the .skops models")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Import, print a line for each refused file, and the totals."""
    from scoring.models.detector import NO_MEMORY
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
            except MemoryError:
                refused[path.name] = NO_MEMORY
            advance()
    for name, reason in refused.items():
        print(f"refused {name!r}: {printable(' '.join(reason.split()))}", file=sys.stderr)
    counts = {"imported": len(taken), "refused": len(refused)}
    line = f"imported {len(taken):,} of {len(files):,} models -> {args.models}"
    print(json.dumps(counts) if args.json else line)
    return EXIT_FAILED if refused else EXIT_DONE


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise UsageError(f"{source} does not exist: name a legacy model, or a folder of them")
    files: list[Path] = []
    others: list[Path] = []
    for path in sorted(source.iterdir()):
        if not path.is_dir() and _is_model(path.name):
            (files if may_be_legacy(path.name) else others).append(path)
    for line in describe_others(path.name for path in others):
        print(line, file=sys.stderr)
    if not files:
        raise UsageError(f"{source} has no legacy models: name a folder of them")
    if all(path.name.endswith(MODEL_SUFFIX) for path in files):
        raise UsageError(f"{source} has {MODEL_SUFFIX} models already: there is nothing to import")
    return files


def _is_model(name: str) -> bool:
    return name[:1] not in "._" and not is_legacy_array(name)


def _key(name: str) -> SensorKey:
    stem = LEGACY_ENDING.sub("", name)
    if copy := LEGACY_COPY.match(stem):
        raise InvalidKey(f"its name continues after the extension: is it a copy? Rename it to {copy['good']}")
    parts = stem.removeprefix(MODEL_PREFIX).split("_")
    if not stem.startswith(MODEL_PREFIX) or len(parts) != 2:  # noqa: PLR2004 - device and sensor
        rename = f"{MODEL_PREFIX}{'%5F'.join(parts[:-1])}_{parts[-1]}"
        hint = f": an underscore inside either is written %5F, as in {rename}" if len(parts) > 2 else ""  # noqa: PLR2004
        raise InvalidKey(f"its name does not say whose model it is: expected model_DEVICE_SENSOR{hint}")
    device, sensor = (part.replace("%5F", "_") for part in parts)
    return SensorKey(device, sensor)


def _import(path: Path, models: Path, taken: dict[SensorKey, Path]) -> None:
    """Read the parameters, check that the .skops file will give the same ones, and save it."""
    from scoring.atomic_files import write_atomically
    from scoring.legacy.compression import unpacked
    from scoring.legacy.unpickle import read_pickle
    from scoring.legacy.write import skops_bytes
    from scoring.models.encoding import encode
    from scoring.models.files import parameters_from, read_file
    from scoring.models.interpret import model_parameters

    if path.name.endswith(MODEL_SUFFIX):
        raise InvalidKey("it is a .skops file already: copy it")
    key = _key(path.name)
    if key in taken:
        raise InvalidKey(f"{taken[key].name!r} is a model of the same sensor")
    document = read_pickle(unpacked(read_file(path)), lambda name: read_file(path.with_name(name)))
    parameters = model_parameters(document)
    content = skops_bytes(document)
    if encode(parameters_from(content)) != encode(parameters):
        raise ModelError("has other numbers after it was saved; train it again")
    write_atomically(models / key.model_name, content)
    taken[key] = path
