"""The stored step states of a local run."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.engine import StepState
from pipeline.engines.local import step_states
from pipeline.errors import ContainerMissing
from pipeline.redact import redacted
from pipeline.runs.record import RunState, RunStatus
from pipeline.storage.account import Store


def test_states_that_could_not_be_stored_are_stored_the_next_time(settings):
    store = Store.connect(settings)
    steps = step_states.StepStates(["score_1_1"], store.runs, "run-1", lambda: datetime.now(UTC))
    steps.begins("score_1_1")
    with pytest.raises(ContainerMissing):
        steps.write()
    store.runs.ensure()
    steps.write()
    assert [step.state for step in step_states.read(store.runs, "run-1").steps] == [StepState.RUNNING]
    store.close()


def test_a_stated_result_is_read_with_the_steps_stays_and_shows_no_secret(store):
    steps = step_states.StepStates(["collect"], store.runs, "run-1", lambda: datetime.now(UTC))
    steps.ends("collect", StepState.SUCCEEDED)
    steps.write()
    assert step_states.read(store.runs, "run-1").result is None
    lost = RunStatus(state=RunState.PARTLY, error="AccountKey=c2VjcmV0", counts={"scored": 1})
    steps.write(lost)
    steps.write()
    found = step_states.read(store.runs, "run-1")
    assert [step.state for step in found.steps] == [StepState.SUCCEEDED]
    assert found.result == replace(lost, error=redacted("AccountKey=c2VjcmV0"))
    assert "c2VjcmV0" not in (found.result.error or "")
