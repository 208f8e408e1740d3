"""Tries files one after the other, and prints how long each took and the most memory that there was.

    python -m tests.scoring.models.measure model FILES    a model: read it and predict
    python -m tests.scoring.models.measure pickle FILES   a legacy file: read its parameters

A line of JSON a file: its name, the error or null, seconds, and megabytes of the whole process at its peak.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scoring import SensorKey
from scoring.errors import ModelError

PROBE = np.linspace(-100.0, 200.0, 720)


def main() -> None:
    """Try each file."""
    kind, *names = sys.argv[1:]
    attempt = {"model": predict, "pickle": unpickle}[kind]
    attempt(Path(names[0]))  # what is imported is no part of what is measured
    for name in names:
        print(json.dumps(_measured(attempt, Path(name))), flush=True)


def predict(path: Path) -> None:
    """Read a model, and predict."""
    from scoring.models.files import load_model

    load_model(path.parent, SensorKey.from_model_name(path.name)).detector.predict(PROBE)


def unpickle(path: Path) -> None:
    """Read the parameters in a legacy file."""
    from scoring.legacy.compression import unpacked
    from scoring.legacy.unpickle import read_pickle
    from scoring.models.interpret import model_parameters

    model_parameters(read_pickle(unpacked(path.read_bytes())))


def _measured(attempt: Callable[[Path], None], path: Path) -> dict[str, object]:
    error = None
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    start = time.process_time()
    try:
        attempt(path)
    except ModelError as refused:
        error = str(refused)
    seconds = time.process_time() - start
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return {"name": path.name, "error": error, "seconds": seconds, "megabytes": peak / 1024}


if __name__ == "__main__":
    main()
