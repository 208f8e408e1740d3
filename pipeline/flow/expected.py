"""Which sensors a landing should bring: those of the last landing with the same name except for the date.

So if only the readings of one site arrive, no sensor of another site is silent, and a sensor that is missing
from that site is. The rows of the runs that finished last say which run scored that landing, and its summary
names the sensors. A run of several landings, or without such an earlier run, expects none. The owner's list,
`expected.txt` beside the models, takes precedence.
"""

import logging
from collections.abc import Sequence

from pipeline.errors import PipelineError
from pipeline.flow.context import Context
from pipeline.runs.landing import Landing
from pipeline.runs.names import series
from pipeline.runs.summary import find_summary
from scoring import SensorKey
from scoring.formats import SensorStatus

MOST_SENSORS = 10_000
"""The summary of a larger run takes too long to read in a call for a blob."""

logger = logging.getLogger(__name__)


def expected_sensors(context: Context, landings: Sequence[Landing]) -> tuple[str, ...]:
    """Encoded keys of the expected sensors: at most two requests, and an error costs only the expectation.

    A sensor that was silent stays expected.
    """
    if len(landings) != 1:
        return ()
    try:
        run, sensors = context.last_of_series().get(series(landings[0].name), ("", 0))
        if not run or sensors > MOST_SENSORS or not (summary := find_summary(context.store.preds, run)):
            return ()
    except PipelineError as error:
        logger.warning("%r: it is not known which sensors to expect: %s", landings[0].name, error)
        return ()
    keys = (
        SensorKey(row.device, row.sensor)
        for row in summary.sensors
        if row.readings or row.rejected or row.status is SensorStatus.SILENT
    )
    return tuple(sorted(key.encoded for key in keys))
