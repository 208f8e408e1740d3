"""Writes the report of a run and the page of runs, with `scoring` in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.engine import StepState, StepStatus
from pipeline.errors import ReportError
from pipeline.runs.last import LastSweep
from pipeline.runs.record import RunRecord
from pipeline.step_environment import ROOT, step_environment
from scoring.formats import FACTS_VERSION, REPORT_HTML, ROWS_VERSION

_REPORT_SECONDS, _INDEX_SECONDS, _FLEET_SECONDS = 900, 60, 120
_TROUBLE = (StepState.FAILED, StepState.CANCELED)


def write_report(record: RunRecord, steps: Sequence[StepStatus], folder: Path) -> Path:
    """Write the report of a run into the folder with its results; returns the page.

    Raises:
        ReportError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-report-") as temporary:
        document = Path(temporary) / "facts.json"
        document.write_text(json.dumps(facts(record, steps)))
        _scoring(_REPORT_SECONDS, "report", "--preds", folder.resolve(), "--facts", document)
    return folder / REPORT_HTML


def write_index(
    rows: Sequence[dict[str, Any]],
    page: Path,
    swept: LastSweep,
    note: str | None = None,
    fleet: str | None = None,
) -> None:
    """Write the page of runs, in this order; `fleet` is the address of the page of the fleet.

    Raises:
        ReportError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-runs-") as temporary:
        document = Path(temporary) / "rows.json"
        known = {
            "swept": swept.finished.isoformat() if swept.finished else None,
            "late_after_seconds": swept.late_after.total_seconds(),
            "fleet": fleet,
        }
        document.write_text(json.dumps({"version": ROWS_VERSION, "note": note, **known, "runs": rows}))
        _scoring(_INDEX_SECONDS, "index", "--rows", document, "--out", page.resolve())


def write_fleet(state: Path, page: Path) -> None:
    """Write the page of the fleet from a stored fleet state.

    Raises:
        ReportError: it cannot be written.
    """
    _scoring(_FLEET_SECONDS, "fleet", state.resolve(), "--to", page.resolve())


def facts(record: RunRecord, steps: Sequence[StepStatus]) -> dict[str, Any]:
    """The facts about a run for `python -m scoring report --facts`."""
    states = Counter(step.state for step in steps)
    ended = record.ended
    return {
        "version": FACTS_VERSION,
        "run": record.run,
        "cause": record.cause.sentence,
        "state": record.state.value,
        "asked": record.created.isoformat(),
        "started": record.started.isoformat() if record.started else None,
        "ended": ended.isoformat() if ended else None,
        "seconds": (ended - record.created).total_seconds() if ended else None,
        "published": record.published or None,
        "tries": record.tries,
        "error": record.error,
        "steps": _step_count(states[StepState.SUCCEEDED], states.total()) if states else None,
        "troubles": [
            {"step": step.name, "state": step.state.value, "error": step.error}
            for step in steps
            if step.state in _TROUBLE
        ],
    }


def _step_count(succeeded: int, steps: int) -> str:
    return f"{steps:,} steps" if succeeded == steps else f"{succeeded:,} of {steps:,} steps succeeded"


def _scoring(seconds: float, *arguments: str | Path) -> None:
    # The Functions platform puts the app's packages on this process's path, not into the environment.
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with tempfile.TemporaryDirectory(prefix="fleet-scoring-") as temporary:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "scoring", *map(str, arguments)],
                cwd=ROOT,
                env=step_environment(environ, ROOT, Path(temporary)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReportError(f"python -m scoring {arguments[0]} did not run: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        why = lines[-1].removeprefix("error: ") if lines else f"exit code {done.returncode}"
        raise ReportError(f"python -m scoring {arguments[0]}: {why}")
