"""A pipeline that an earlier release published is refused before harm, until it is published again."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.errors import PublishError
from pipeline.flow.context import Context
from pipeline.flow.recover import recover
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from pipeline.published.publish import CURRENT
from pipeline.runs.record import RunState


def as_an_earlier_release(context, **changes):
    """Make the current version one of the first release, and open the context of another process."""
    runs = context.store.runs
    document = json.loads(runs.read(CURRENT).data) | changes
    document.pop("lists_sensors", None)
    for path in (CURRENT, f"published/{document['published']}/published.json"):
        runs.put(path, json.dumps(document).encode())
    settings = replace(context.settings, engine=document["engine"])
    return Context(settings, context.store, context.engine, context.clock)


@pytest.fixture
def landing(context):
    context.store.data.put("a.csv", b"TS,Device,Sensor,Value\n")
    return "a.csv"


def test_on_one_machine_nothing_is_claimed_and_the_sweep_after_a_publication_scores_it(
    context, landing, clock
):
    current = context.store.runs.read(CURRENT).data
    old = as_an_earlier_release(context)
    for _ in range(2):
        with pytest.raises(
            PublishError, match=r"published by an earlier release.* python -m pipeline publish"
        ):
            submit_landing(old, landing)
        with pytest.raises(PublishError, match="published by an earlier release"):
            sweep(old, clock(), random_hex="000000")
    assert old.runs.markers.all() == []
    assert old.runs.newest() == []
    context.store.runs.put(CURRENT, current)
    clock.move(seconds=6)  # the current version is reused for so long
    assert sweep(old, clock(), random_hex="000000").landings == 1


def test_lost_steps_on_azure_ml_wait_for_a_publication_and_come_back_once(context, landing, clock, caplog):
    """Why: its steps run the code of their release, which would predict all sensors again."""
    old = as_an_earlier_release(context, engine="azureml", component="one")
    run = str(submit_landing(old, landing).run)
    lost = {"retry": True, "missing": ("1_3",), "error": "sensor 1/3 is missing"}
    old.runs.advance(old.runs.load(run), RunState.PARTLY, **lost)
    for number in range(1, 5):  # more often than a run is tried
        assert recover(old, datetime.now(UTC)).postponed == 1
        assert caplog.text.count("would score all again: run python -m pipeline publish") == number
    assert old.engine.taken().keys() == {run}
    document = json.loads(context.store.runs.read(CURRENT).data) | {"lists_sensors": True}
    context.store.runs.put(CURRENT, json.dumps(document).encode())
    clock.move(seconds=6)
    assert recover(old, datetime.now(UTC)).retried == 1
    assert old.runs.manifest(f"{run}-2").sensors == ("1_3",)
