"""The end of a run: the files that `score` and `collect` both write, `_SUCCESS` last."""

from collections.abc import Iterable
from pathlib import Path

from scoring.collect.history import write_history
from scoring.collect.rejects import RowCounter
from scoring.collect.summary import Rules, Summary, summarize
from scoring.keys import SensorKey
from scoring.report.detectors import detector_finder
from scoring.report.facts import RunFacts
from scoring.report.page import write_report
from scoring.step.leftovers import remove_unscored_predictions
from scoring.step.outcome import StepOutcome
from scoring.step.score import ModelCache
from scoring.success_mark import mark


def finish_run(
    out: Path,
    run: str | None,
    counter: RowCounter,
    outcomes: Iterable[StepOutcome],
    models: ModelCache,
    *,
    rules: Rules,
    listed: frozenset[SensorKey] | None = None,
) -> Summary:
    """Write summary, episodes and days, the report with its boundaries, and `_SUCCESS`.

    `counter` has written the rejects. `listed` are the only sensors that this try of the run scores;
    None for all. Predictions that a lost step wrote before its outcome are removed: the next try makes them
    again, in its own folder.

    Raises:
        OutputError: the folder cannot be written.
    """
    summary = summarize(run, counter, outcomes, models.keys(), rules, listed=listed)
    remove_unscored_predictions(out, {row["file"] for row in summary.sensors if row["file"]})
    summary.write(out)
    write_history(out, summary.outcomes, counter.rejected_on)
    write_report(out, RunFacts(run=run), detector_finder(models))
    mark(out)
    return summary
