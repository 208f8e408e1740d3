"""What a summary says of its run."""

import json

import pytest

from pipeline.engines.summary import read_status
from pipeline.errors import RunDocumentError
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
    status = read_status(json.dumps(document).encode(), "summary.json", ())
    assert (status.state, status.error, status.counts) == (state, error, counts)


def document(**fields):
    totals = {"scored": 1, "readings": 2, "rejected": 0}
    fields = {"version": 1, "run": "x", "totals": totals, "sensors": [], "landings": []} | fields
    return json.dumps(fields).encode()


def test_a_summary_that_says_how_the_run_ended_is_believed():
    data = document(state="partly", reasons=["987 of 1,999 rows were rejected", "another"])
    status = read_status(data, "summary.json", ())
    assert (status.state, status.error) == (RunState.PARTLY, "987 of 1,999 rows were rejected")
    status = read_status(document(state="succeeded", reasons=[]), "summary.json", ())
    assert (status.state, status.error) == (RunState.SUCCEEDED, None)


def test_a_summary_cannot_say_that_its_run_is_active():
    with pytest.raises(RunDocumentError, match="its state is running"):
        read_status(document(state="running"), "summary.json", ())


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        (["score_1_3", "collect"], ("1_3",)),
        (["score_shard_0000_of_0002", "score_shard_0001_of_0002", "collect"], ("1_3", "1_4")),
        (["score_1_1", "collect"], ()),
        ([], ()),
    ],
    ids=["a step per sensor", "shards", "newer than the pipeline", "the pipeline was deleted"],
)
def test_a_missing_sensor_that_has_a_step_is_tried_again(steps, missing):
    other = {"device": "1", "sensor": "4", "status": "missing", "reason": None}
    status = read_status(document(sensors=[sensor("missing"), other]), "summary.json", steps)
    assert (status.state, status.missing, status.retry) == (RunState.PARTLY, missing, bool(missing))


def test_a_deleted_blob_is_named():
    landings = [landing("vanished"), landing("superseded") | {"name": "b.csv"}]
    status = read_status(document(landings=landings), "summary.json", ())
    assert status.state is RunState.SUCCEEDED
    assert status.note == "a.csv was deleted before it was read; b.csv was replaced before it was read"
