"""In any order of events, each landing is scored once: a short search in every test run."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from pipeline.runs import claims
from pipeline.storage import account
from tests.simulation.machine import Fleet


@pytest.fixture(autouse=True)
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send requests one at a time, so that the simulation decides their order."""
    monkeypatch.setattr(account, "PARALLEL", 1)
    monkeypatch.setattr(claims, "MANY", 2)  # from this number on it lists, and listings can be late


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
