"""A run can be canceled in every state, and stops whichever process works on it."""

from datetime import UTC, datetime

import pytest

from pipeline.errors import EngineError, InvalidRequest
from pipeline.flow.cancel import cancel
from pipeline.flow.recover import recover
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
    assert cancel(context, run) == f"run {run} was asked to stop"
    assert asked(context, run)


def test_a_pending_run_is_canceled_at_once_and_no_other_scores_its_landings(context, landing):
    context.engine.refuses = "it is busy"
    with pytest.raises(EngineError):
        submit_landing(context, landing.name)
    (marker,) = context.runs.markers.all()
    cancel(context, marker.run)
    assert context.runs.load(marker.run).state is RunState.CANCELED
    assert context.runs.markers.all() == []
    assert context.runs.unclaimed([landing]) == ()


def test_one_that_is_being_submitted_is_canceled_in_the_engine(context, landing):
    submit = context.engine.submit

    def submit_and_cancel(record, published):
        submit(record, published)
        cancel(context, record.run)

    context.engine.submit = submit_and_cancel
    run = str(submit_landing(context, landing.name).run)
    assert context.runs.load(run).state is RunState.CANCELED
    assert asked(context, run)


def test_a_sweep_cancels_in_the_engine_if_the_requester_died_before_that(context, run):
    context.runs.request_cancel(run)
    recover(context, datetime.now(UTC))
    assert asked(context, run)


def test_one_that_has_failed_is_not_tried_again(context, run):
    context.runs.advance(context.runs.load(run), RunState.FAILED, retry=True)
    assert cancel(context, run) == f"run {run} has failed, and will not be retried"
    assert recover(context, datetime.now(UTC)).retried == 0
    with pytest.raises(InvalidRequest, match="has ended already: failed"):
        cancel(context, run)


def test_one_that_lost_steps_is_not_tried_again(context, run):
    context.runs.advance(context.runs.load(run), RunState.PARTLY, retry=True, missing=("1_3",))
    assert cancel(context, run) == f"run {run} has lost steps, and will not be retried"
    assert recover(context, datetime.now(UTC)).retried == 0


def test_a_finished_run_cannot_be_canceled(context, run):
    context.runs.advance(context.runs.load(run), RunState.SUCCEEDED)
    with pytest.raises(InvalidRequest, match="has ended already: succeeded"):
        cancel(context, run)
