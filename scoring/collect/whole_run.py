"""Scores everything in one process, and finishes the run: what `score` does without --key or --shard."""

from collections.abc import Callable, Sequence
from pathlib import Path

from scoring.collect.finish import finish_run
from scoring.collect.rejects import RowCounter
from scoring.collect.summary import Rules, Summary
from scoring.models.store import ModelStore
from scoring.readings.files import FoundLanding, Source, check_headers
from scoring.step.predictions import PredictionFiles
from scoring.step.score import ModelCache, score
from scoring.step.selection import Everything
from scoring.step.sensor_limit import SensorLimit


def score_everything(
    sources: Sequence[Source],
    not_read: Sequence[FoundLanding],
    store: ModelStore,
    out: Path,
    *,
    run: str | None,
    rules: Rules,
    gap: float | None = None,
    report_unreadable: Callable[[list[FoundLanding]], None],
) -> Summary:
    """Score all readings of `sources` into the empty folder `out`, and finish the run there.

    `gap` is the longest time between two anomalous readings of an episode in seconds; the default depends on
    the sensor. `report_unreadable` is called with the files that are not files of readings, before anything
    is scored.

    Raises:
        OutputError: the folder cannot be written.
    """
    everything = Everything()
    usable, unreadable = check_headers(sources)
    report_unreadable(unreadable)
    not_read = [*not_read, *unreadable]
    models = ModelCache(store)
    limit = SensorLimit(models.keys() | frozenset(rules.expected))
    with PredictionFiles(out, everything.step) as files, RowCounter(out, limit) as counter:
        outcome = score(usable, models, everything, files, limit=limit, observer=counter, gap=gap)
    for found in not_read:
        counter.add_landing(found)
    outcome.landings.extend(not_read)
    outcome.write(out)
    return finish_run(out, run, counter, [outcome], models, rules=rules)
