"""The fleet state, compared with the predictions that it should be the sum of.

Read here independently, from its documentation: each finished run counts once, in any order.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dev.soak.contents import Run

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

STATE = "_fleet/state.json.gz"


def read_fleet(preds: "ContainerClient") -> dict[str, Any]:
    """The stored document."""
    document: dict[str, Any] = json.loads(gzip.decompress(preds.download_blob(STATE).readall()))
    return document


def fleet_differences(state: Mapping[str, Any], runs: Iterable[Run]) -> Iterator[str]:
    """Where the counts of the fleet state are not those of all predictions, a line for each sensor.

    Also events that wait, of which there must be none when everything has settled.
    """
    readings: Counter[tuple[str, str]] = Counter()
    anomalies: Counter[tuple[str, str]] = Counter()
    for run in runs:
        for row, label, _ in run.predictions:
            readings[row.device, row.sensor] += 1
            anomalies[row.device, row.sensor] += label
    found = {(one["device"], one["sensor"]): one["days"] for one in state["sensors"]}
    for key in sorted(readings.keys() | found.keys()):
        days = found.get(key, [])
        stated = (sum(day[1] for day in days), sum(day[2] for day in days))
        if stated != (readings[key], anomalies[key]):
            yield (
                f"sensor {'/'.join(key)} has {stated[0]:,} readings and {stated[1]:,} anomalies in the fleet "
                f"state, {readings[key]:,} and {anomalies[key]:,} in predictions"
            )
    for event in state["outbox"]:
        yield f"event {event['id']} of run {event['run']} is not delivered"
