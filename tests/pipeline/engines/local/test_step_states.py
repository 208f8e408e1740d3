"""The stored step states of a local run."""

from datetime import UTC, datetime

import pytest

from pipeline.engine import StepState
from pipeline.engines.local import step_states
from pipeline.errors import ContainerMissing
from pipeline.storage.account import Store


def test_states_that_could_not_be_stored_are_stored_the_next_time(settings):
    store = Store.connect(settings)
    steps = step_states.StepStates(["score_1_1"], store.runs, "run-1", lambda: datetime.now(UTC))
    steps.begins("score_1_1")
    with pytest.raises(ContainerMissing):
        steps.write()
    store.runs.ensure()
    steps.write()
    assert [step.state for step in step_states.read(store.runs, "run-1")] == [StepState.RUNNING]
    store.close()
