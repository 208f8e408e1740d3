"""How long each file takes to read, and the most memory that there is meanwhile.

    python -m tests.scoring.models.measure model FILES    a model: read it and predict
    python -m tests.scoring.models.measure pickle FILES   a legacy file: read its parameters
    python -m tests.scoring.models.measure pack FILES     a pack: predict with each model beside it
    python -m tests.scoring.models.measure list FILES     a pack: list what it holds

It prints a line of JSON for each: its name, the error or null, seconds of the processor, and megabytes of the
whole process at its peak.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring import SensorKey
from scoring.errors import ModelError

ROOT = Path(__file__).resolve().parents[3]
MOST_SECONDS, MOST_MEGABYTES = 2, 300
PROBE = np.linspace(-100.0, 200.0, 720)


def measured(kind: str, paths: list[Path]) -> list[dict[str, Any]]:
    """Measure each in a process of their own, which no signal ends and which says nothing besides."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("peak memory is read from /proc")
    command = [sys.executable, "-W", "error", "-m", "tests.scoring.models.measure", kind, *map(str, paths)]
    # Without the measuring of coverage, which slows it down by half.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(paths)
    return lines


def main() -> None:
    """Try each file."""
    kind, *names = sys.argv[1:]
    attempt = {"model": predict, "pack": predict_by_pack, "list": list_pack, "pickle": unpickle}[kind]
    _tried(attempt, Path(names[0]))  # imports are not measured
    for name in names:
        print(json.dumps(_tried(attempt, Path(name))), flush=True)


def predict(path: Path) -> None:
    """Read a model, and predict."""
    from scoring.models.files import load_model

    load_model(path.parent, SensorKey.from_model_name(path.name)).detector.predict(PROBE)


def predict_by_pack(path: Path) -> None:
    """Predict with each model of a folder that has a pack."""
    from scoring.models.store import ModelStore

    store = ModelStore(path.parent)
    for key in sorted(store.keys()):
        store.get(key).detector.predict(PROBE)


def list_pack(path: Path) -> None:
    """List the models that a pack holds."""
    from scoring.models.pack import Pack

    Pack(path).held()


def unpickle(path: Path) -> None:
    """Read the parameters in a legacy file."""
    from scoring.legacy.compression import unpacked
    from scoring.legacy.unpickle import read_pickle
    from scoring.models.interpret import model_parameters

    model_parameters(read_pickle(unpacked(path.read_bytes())))


def _tried(attempt: Callable[[Path], None], path: Path) -> dict[str, Any]:
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
