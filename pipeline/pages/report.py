"""The report of a run: written by `python -m scoring report`, whose numerics stay out of this process."""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.engine import StepState, StepStatus
from pipeline.errors import ReportError, ScoringProcessError
from pipeline.runs.record import RunRecord
from pipeline.step_environment import run_scoring
from scoring.formats import FACTS_VERSION, REPORT_HTML

_TROUBLE = (StepState.FAILED, StepState.CANCELED)


def write_report(record: RunRecord, steps: Sequence[StepStatus], folder: Path) -> Path:
    """Write the report of a run into the folder with its results; returns the page.

    Raises:
        ReportError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-report-") as temporary:
        document = Path(temporary) / "facts.json"
        document.write_text(json.dumps(facts(record, steps)))
        _run_report("--preds", folder.resolve(), "--facts", document)
    return folder / REPORT_HTML


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


def _run_report(*arguments: str | Path) -> None:
    try:
        done = run_scoring("report", *arguments)
    except ScoringProcessError as error:
        raise ReportError(str(error)) from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        why = lines[-1].removeprefix("error: ") if lines else f"exit code {done.returncode}"
        raise ReportError(f"python -m scoring report: {why}")
