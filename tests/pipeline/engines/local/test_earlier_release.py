"""Pipelines that an earlier release published, run by the code of today: they work, or say what to do.

`samples/published-1` holds the documents of the first release: its `collect` has no `--exit-zero`, and its
steps knew no list of sensors in a manifest.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import alerts
from pipeline.flow.recover import recover
from pipeline.flow.submit import submit_landing
from pipeline.published import publish
from pipeline.runs.record import RunRecord, RunState
from tests.pipeline import small_fleet
from tests.pipeline.conftest import Fleet
from tests.pipeline.either_engine import open_fleet

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("measured")]

SAMPLE = Path(__file__).parents[2] / "samples" / "published-1"
VERSION = "v0123456789abcdef"
PUBLISHED = f'{{"version": 1, "published": "{VERSION}", "engine": "local", "component": null, "steps": 3}}'


class Release(Fleet):
    """A fleet of three sensors with real models and the documents of an earlier release."""

    def publish_earlier(self, old: str = "", new: str = "") -> None:
        """Publish the sample, with one text replaced."""
        runs = self.context.store.runs
        for name, content in small_fleet.models().items():
            self.context.store.models.put(name, content)
        for document in ("pipeline.yml", "score.yml"):
            text = (SAMPLE / document).read_text()
            runs.put(f"published/{VERSION}/{document}", text.replace(old, new, 1).encode())
        for name in (f"published/{VERSION}/published.json", "published/current"):
            runs.put(name, PUBLISHED.encode())

    def run(self, readings: bytes) -> RunRecord:
        self.context.store.data.put("a.csv", readings)
        return self.ended(str(submit_landing(self.context, "a.csv").run))


@pytest.fixture
def release(environment, store, tmp_path):
    del store  # it makes the containers
    fleet = open_fleet("local", environment, tmp_path / "machine", None)
    yield Release(fleet.context, fleet.engine)
    fleet.context.store.close()


def test_a_run_succeeds(release):
    release.publish_earlier()
    record = release.run(small_fleet.readings())
    assert (record.state, record.error) == (RunState.SUCCEEDED, None)


def test_a_partly_scored_run_keeps_what_it_scored_and_is_final(release):
    release.publish_earlier()
    record = release.run(small_fleet.readings() + b"yesterday,1,1,1\n" * 10)
    assert (record.state, record.retry) == (RunState.PARTLY, False)
    assert "10 of 130 rows rejected: TS 'yesterday' is not a timestamp" in str(record.error)
    assert release.finished(record.run)
    assert len(release.predictions(record.run)) == 120
    recover(release.context, datetime.now(UTC))
    assert release.context.runs.open() == []


def test_lost_steps_wait_for_a_publication_and_then_come_back(release, caplog):
    """Why: elsewhere the steps of that release run their own code, and would predict all sensors again."""
    release.publish_earlier("timeout: 3600", "timeout: 0.01")
    record = release.run(small_fleet.readings())
    assert (record.state, record.missing) == (RunState.PARTLY, ("1_1",))
    for _ in range(2):
        assert recover(release.context, datetime.now(UTC)).postponed == 1
        assert f"steps of version {VERSION}, which an earlier release published" in caplog.text
        assert "run python -m pipeline publish" in caplog.text
    assert [run.run for run in release.context.runs.newest()] == [record.run]  # nothing was submitted
    publish.publish(release.context.store, release.context.settings, release.engine)
    release.context = type(release.context)(  # another process, which knows the new version
        release.context.settings, release.context.store, release.engine, release.context.clock
    )
    assert recover(release.context, datetime.now(UTC)).retried == 1
    rest = release.ended(f"{record.run}-2")
    assert rest.state is RunState.SUCCEEDED
    both = [release.predictions(run) for run in (record.run, rest.run)]
    assert [len(each) for each in both] == [80, 40]


def test_a_command_that_is_unknown_today_fails_once_and_says_what_to_do(release, caplog):
    release.publish_earlier("$[[--key=${{inputs.key}}]]", "$[[--device-and-sensor=${{inputs.key}}]]")
    record = release.run(small_fleet.readings())
    assert (record.state, record.retry) == (RunState.FAILED, False)
    assert "if another release published this pipeline, run python -m pipeline publish" in str(record.error)
    recover(release.context, datetime.now(UTC))
    assert f"{alerts.RUN_FAILED} run {record.run}: " in caplog.text
    assert release.context.runs.open() == []
