"""Each alert by the real path: what the app sends to Application Insights, and the rule's own query."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

from dev.demo.fleet import Landing
from pipeline import alerts
from pipeline.runs.names import blob_run
from tests.e2e.conftest import sandbox_for, wait_for_end
from tests.ingestion import ingestion, messages
from tests.pipeline.conftest import until

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.xdist_group("triggers"), pytest.mark.slow]

TEMPLATE: Any = BicepParser().parse(file_path=ROOT / "infra" / "modules" / "alerts.bicep")
RULES: dict[str, Any] = {rule["name"]: rule for rule in TEMPLATE["variables"]["rules"]["value"]}


def found(rule: str, lines: list[str]) -> list[str]:
    """The lines that the query of a rule counts."""
    query = re.fullmatch(r'traces \| where message startswith "([^"]+)"', RULES[rule]["query"])
    assert query, RULES[rule]["query"]
    return [line for line in lines if line.lower().startswith(query[1].lower())]


def is_raised(rule: str, lines: list[str]) -> bool:
    count, threshold = len(found(rule, lines)), RULES[rule]["threshold"]
    return bool(count < threshold if RULES[rule]["operator"] == "LessThan" else count > threshold)


def test_each_rule_waits_for_words_of_the_apps_own_and_all_words_have_a_rule():
    words = {alerts.SWEEP_FINISHED, alerts.EVENTS_MISSING, alerts.RUN_FAILED}
    assert {rule["query"] for rule in RULES.values()} == {
        f'traces | where message startswith "{word}"' for word in words
    }


@pytest.fixture(scope="module")
def logged(small_fleet, tmp_path_factory):
    """Two sweeps of the timer: a landing without an event in between, and a run that fails."""
    bad = tmp_path_factory.mktemp("bad") / "bad.csv"
    bad.write_text("When,Who,What\n1,2,3\n", encoding="utf-8")
    often = {
        "SCORING_LATE_EVENT_MINUTES": "0.001",
    }
    with ingestion() as (telemetry, taken), sandbox_for(small_fleet, {**often, **telemetry}) as sandbox:
        with sandbox.start_host(print) as host:
            host.wait_until_started()
            assert host.call("score_on_timer") == 202
            with host.held():
                sandbox.upload_without_event(small_fleet.landings[0])
                time.sleep(2)  # storage's clock knows seconds
            run = blob_run(sandbox.upload(Landing(bad, bad.name)))
            host.wait_for(run)
            wait_for_end(sandbox, run)
            # The worker still holds the run for a moment, and a sweep leaves such a run alone.
            until(lambda: not any(marker.held for marker in sandbox.context.runs.markers.all()))
            assert host.call("score_on_timer") == 202
            host.wait_for(alerts.RUN_FAILED)
        return [message["message"] for message in messages(taken)]


def test_sweeps_that_finish_keep_the_alarm_silent_and_none_raises_it(logged):
    assert len(found("no-sweep", logged)) == 2
    assert not is_raised("no-sweep", logged)
    assert is_raised("no-sweep", [line for line in logged if "sweep finished" not in line])


def test_a_landing_without_an_event_raises_the_alarm(logged):
    (line,) = found("missing-events", logged)
    assert "1 landings had no run" in line
    assert is_raised("missing-events", logged)


def test_a_run_that_failed_for_good_raises_the_alarm(logged):
    assert len(found("failed-runs", logged)) >= 1
    assert is_raised("failed-runs", logged)
