"""A run that somebody wants to stop stops, whoever is at work on it at that moment."""

from datetime import UTC, datetime

import pytest

from pipeline.errors import EngineError, UsageError
from pipeline.flow.cancel import cancel
from pipeline.flow.recover import attend
from pipeline.flow.submit import submit_landing, to_landing
from pipeline.runs.record import RunState


@pytest.fixture
def landing(store):
    store.data.put("a.csv", b"TS,Device,Sensor,Value\n")
    return to_landing(store.data.find("a.csv"))


@pytest.fixture
def run(context, landing):
    """Its run, which the engine has taken."""
    return str(submit_landing(context, landing.name).run)


def asked(context, run):
    """Whether the engine was asked to stop it."""
    return (context.engine.folder / f"{run}.canceled").exists()


def test_the_engine_is_asked_to_stop_a_run_that_it_has(context, run):
    assert cancel(context, run) == f"run {run} is asked to stop"
    assert asked(context, run)


def test_a_pending_run_is_over_at_once_and_no_other_scores_its_landings(context, landing):
    context.engine.refuses = "it is busy"
    with pytest.raises(EngineError):
        submit_landing(context, landing.name)
    (marker,) = context.runs.open()
    cancel(context, marker.run)
    assert context.runs.load(marker.run).state is RunState.CANCELED
    assert context.runs.open() == []
    assert context.runs.unclaimed([landing]) == ()


def test_one_that_is_being_submitted_is_canceled_in_the_engine(context, landing):
    submit = context.engine.submit

    def meanwhile(record, published):
        submit(record, published)
        cancel(context, record.run)

    context.engine.submit = meanwhile
    run = str(submit_landing(context, landing.name).run)
    assert context.runs.load(run).state is RunState.CANCELED
    assert asked(context, run)


def test_a_sweep_asks_the_engine_where_whoever_canceled_it_came_no_further_than_to_a_note(context, run):
    context.runs.request_cancel(run)
    attend(context, datetime.now(UTC))
    assert asked(context, run)


def test_one_that_has_failed_is_not_tried_again(context, run):
    context.runs.advance(context.runs.load(run), RunState.FAILED, retry=True)
    assert cancel(context, run) == f"run {run} has failed, and is not tried again"
    assert attend(context, datetime.now(UTC)).retried == 0
    with pytest.raises(UsageError, match="failed already"):
        cancel(context, run)


def test_one_that_is_over_is_told_as_such(context, run):
    context.runs.advance(context.runs.load(run), RunState.SUCCEEDED)
    with pytest.raises(UsageError, match="succeeded already"):
        cancel(context, run)
