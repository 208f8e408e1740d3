"""The end of a run: the files that `score` and `collect` both write, `_SUCCESS` last."""

from collections.abc import Iterable
from pathlib import Path

from scoring.collect.rejects import RowCounter
from scoring.collect.summary import Summary, summarize
from scoring.report.detectors import detector_finder
from scoring.report.facts import RunFacts
from scoring.report.page import write_report
from scoring.step.outcome import StepOutcome
from scoring.step.score import ModelCache
from scoring.success_mark import mark


def finish_run(
    out: Path,
    run: str | None,
    counter: RowCounter,
    outcomes: Iterable[StepOutcome],
    models: ModelCache,
) -> Summary:
    """Write the summary, the report with its boundaries, and `_SUCCESS`; `counter` has written the rejects.

    Raises:
        OutputError: the folder cannot be written.
    """
    summary = summarize(run, counter, outcomes, models.keys())
    summary.write(out)
    write_report(out, RunFacts(run=run), detector_finder(models))
    mark(out)
    return summary
