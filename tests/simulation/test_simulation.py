"""In any order of events, each landing is scored once: a short search in every test run."""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from pipeline.fleet import finished
from pipeline.runs.record import RunRecord, RunState
from scoring.formats import SUCCESS
from tests.simulation.machine import FIXED, Fleet
from tests.simulation.memory import MemoryContainer


@pytest.fixture(autouse=True)
def fixed_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the constants of the product as a search needs them."""
    for module, name, value in FIXED:
        monkeypatch.setattr(module, name, value)


@pytest.mark.slow
def test_no_order_of_events_and_failures_loses_a_landing_or_scores_it_twice() -> None:
    run_state_machine_as_test(
        Fleet,
        settings=settings(
            max_examples=100,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


BROKEN = settings(
    max_examples=1000,
    stateful_step_count=50,
    phases=[Phase.generate],  # a simpler counterexample would take longer
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_search_finds_that_lost_steps_are_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def awaits_retry(record: RunRecord) -> bool:
        return record.retry and record.state is RunState.FAILED  # `partly` is forgotten

    monkeypatch.setattr(RunRecord, "awaits_retry", property(awaits_retry))
    with pytest.raises(AssertionError, match="partly"):
        run_state_machine_as_test(Fleet, settings=BROKEN)


@pytest.mark.slow
def test_the_search_finds_that_a_run_keeps_its_success_mark_when_it_is_tried_again_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delete = MemoryContainer.delete

    def delete_all_else(container: MemoryContainer, name: str, *, lease: Any = None) -> None:
        if not name.endswith(SUCCESS):
            delete(container, name, lease=lease)

    monkeypatch.setattr(MemoryContainer, "delete", delete_all_else)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Fleet, settings=BROKEN)


@pytest.mark.slow
def test_the_search_finds_that_each_try_of_a_run_announces_a_landing_that_it_cannot_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(finished, "reported_before", lambda store, record: set())  # noqa: ARG005
    with pytest.raises(AssertionError, match="events of lost rows"):
        run_state_machine_as_test(Fleet, settings=BROKEN)
