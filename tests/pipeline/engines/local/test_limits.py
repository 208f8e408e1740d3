"""The limits of the local engine, as the operations guide describes them."""

import resource

import pytest

from pipeline.engines.local.worker import LONGEST_LOG
from pipeline.flow.sweep import sweep
from pipeline.runs.record import RunState
from pipeline.settings import Settings

pytestmark = pytest.mark.usefixtures("measured")


@pytest.fixture
def at_once(fleet, environment):
    """Set how many steps run at once on this machine."""

    def set_to(count):
        limits = {"SCORING_LOCAL_PROCESSES": str(count)}
        fleet.context.settings = fleet.engine.settings = Settings.from_environment(environment | limits)

    return set_to


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_steps_of_all_runs_wait_for_their_turn(fleet, at_once, tmp_path, count):
    at_once(count)
    notes = tmp_path / "notes"
    fleet.models(s1_1=f"note {notes}", s1_2=f"note {notes}")
    fleet.publish()
    runs = [fleet.start(fleet.land(name, "1_1", "1_2")) for name in ("a.csv", "b.csv", "c.csv")]
    assert {fleet.ended(run).state for run in runs} == {RunState.SUCCEEDED}
    times = [tuple(map(float, line.split())) for line in notes.read_text().splitlines()]
    assert len(times) == 6
    most = max(sum(begun <= moment < ended for begun, ended in times) for moment, _ in times)
    assert most <= count


def test_the_end_of_a_long_log_is_kept(fleet):
    fleet.models(s1_1=f"say {2 * LONGEST_LOG}")
    fleet.publish()
    run = fleet.score(fleet.land("a.csv", "1_1")).run
    log = fleet.context.store.runs.read(f"{run}/logs/score_1_1.log").data
    assert len(log) == LONGEST_LOG
    assert log.endswith(b"the last line\n")


def test_a_run_on_a_machine_whose_disk_is_full_fails_and_is_retried(fleet):
    """A limit on the size of files, which the worker takes over, stands in for the disk."""
    fleet.models(s1_1="score")
    fleet.publish()
    name = fleet.land("a.csv", *["1_1"] * 500)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        run = fleet.start(name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    record = fleet.ended(run)
    assert (record.state, record.retry) == (RunState.FAILED, True)
    assert "File too large" in str(record.error)
    assert not fleet.finished(run)
    sweep(fleet.context, None, random_hex="abcdef")
    again = fleet.ended(f"{run}-2")
    assert again.state is RunState.SUCCEEDED
    assert len(fleet.predictions(again.run)) == 1000
