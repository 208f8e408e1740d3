"""Scores everything in one process, and finishes the run: what `score` does without --key or --shard."""

from collections.abc import Callable, Sequence
from pathlib import Path

from scoring.collect.finish import finish_run
from scoring.collect.rejects import RowCounter
from scoring.collect.replace import new_results, replace_results
from scoring.collect.summary import Rules, Summary
from scoring.models.store import ModelStore
from scoring.readings.files import FoundLanding, Source, check_headers
from scoring.step.predictions import PredictionFiles
from scoring.step.score import ModelCache, score
from scoring.step.selection import Everything
from scoring.step.sensor_limit import SensorLimit


def score_everything[Results](
    sources: Sequence[Source],
    not_read: Sequence[FoundLanding],
    store: ModelStore,
    out: Path,
    *,
    run: str | None,
    rules: Rules,
    gap: float | None = None,
    report_unreadable: Callable[[list[FoundLanding]], None],
    results_of: Callable[[Path, Summary], Results],
) -> tuple[Results, bool]:
    """Score all readings of `sources`, finish the run, and replace the results in `out` with those of it.

    Args:
        sources: the files to score.
        not_read: landings that are not files of readings, for the summary.
        store: the models.
        out: the folder for the results, created if missing.
        run: the run's name, for the summary.
        rules: when the run has succeeded.
        gap: the longest time between two anomalous readings of an episode in seconds; the default depends on
            the sensor.
        report_unreadable: called with the files that are not files of readings, before anything is scored.
        results_of: gives what is returned of the results, from their folder and their summary, before they
            are moved.

    Returns:
        What `results_of` gave, and whether `out` has these results now: it keeps earlier ones if nothing was
        scored.

    Raises:
        OutputError: the folder cannot be written.
    """
    everything = Everything()
    with new_results(out) as new:
        usable, unreadable = check_headers(sources)
        report_unreadable(unreadable)
        not_read = [*not_read, *unreadable]
        models = ModelCache(store)
        limit = SensorLimit(models.keys() | frozenset(rules.expected))
        with PredictionFiles(new) as files, RowCounter(new, limit) as counter:
            outcome = score(usable, models, everything, files, limit=limit, observer=counter, gap=gap)
        for found in not_read:
            counter.add_landing(found)
        outcome.landings.extend(not_read)
        outcome.write(new)
        summary = finish_run(new, run, counter, [outcome], models, rules=rules)
        return results_of(new, summary), replace_results(out, new)
