"""Whatever happens in whatever order, each landing is scored once: a short look at every test run."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from pipeline.runs import claims
from pipeline.storage import account
from tests.simulation.machine import Fleet


@pytest.fixture(autouse=True)
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that go out side by side would come in any order: the simulation wants to decide it."""
    monkeypatch.setattr(account, "PARALLEL", 1)
    monkeypatch.setattr(claims, "MANY", 2)  # of more, listings tell, which may be late


@pytest.mark.slow
def test_no_order_of_events_and_failures_loses_a_landing_or_scores_it_twice() -> None:
    run_state_machine_as_test(
        Fleet,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
