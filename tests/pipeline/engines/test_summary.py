"""What a summary says of its run."""

import json

import pytest

from pipeline.engines.summary import read_summary
from pipeline.runs.record import RunState


def landing(status, reason=None):
    return {"name": "a.csv", "status": status, "reason": reason}


def sensor(status, reason=None):
    return {"device": "1", "sensor": "3", "status": status, "reason": reason}


@pytest.mark.parametrize(
    ("landings", "sensors", "totals", "state", "error"),
    [
        ([landing("read")], [sensor("scored")], {"scored": 2}, RunState.SUCCEEDED, None),
        ([landing("vanished")], [sensor("no-readings")], {}, RunState.SUCCEEDED, None),
        ([landing("superseded")], [], {}, RunState.SUCCEEDED, None),
        ([landing("refused", "no name")], [], {}, RunState.FAILED, "a.csv is refused: no name"),
        ([landing("unreadable", "cut")], [], {"scored": 1}, RunState.PARTLY, "a.csv is unreadable: cut"),
        ([], [sensor("failed", "why")], {}, RunState.FAILED, "sensor 1/3 failed: why"),
        ([], [sensor("missing")], {"scored": 1}, RunState.PARTLY, "sensor 1/3 is missing"),
        ([], [sensor("no-model")], {"scored": 1}, RunState.PARTLY, "sensor 1/3 has no model"),
        ([], [], {"rejected": 7}, RunState.FAILED, "all 7 rows were rejected: see rejects.csv"),
        ([], [], {"rejected": 7, "readings": 1, "scored": 1}, RunState.SUCCEEDED, None),
        ([], [sensor("missing")] * 5, {}, RunState.FAILED, "sensor 1/3 is missing; " * 3 + "and 2 more"),
    ],
    ids=[
        "all scored",
        "a landing is gone",
        "a landing was replaced",
        "a landing is refused",
        "a landing cannot be read",
        "a sensor failed",
        "a sensor is missing",
        "a sensor has no model",
        "all rows rejected",
        "some rows rejected",
        "many problems",
    ],
)
def test_the_state_of_a_run_depends_on_what_was_not_scored(landings, sensors, totals, state, error):
    counts = {"scored": 0, "readings": 0, "rejected": 0} | totals
    document = {"version": 1, "run": "x", "totals": counts, "sensors": sensors, "landings": landings}
    status = read_summary(json.dumps(document).encode(), "summary.json")
    assert (status.state, status.error, status.counts) == (state, error, counts)
