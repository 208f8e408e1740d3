"""What can happen in any order, and what must always hold: hypothesis searches for a counterexample."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.fleet.events import EventKind
from pipeline.fleet.store import read_state
from pipeline.flow.cold_ranges import COLD_AFTER, WHOLE_EVERY
from pipeline.pages import shared_page
from pipeline.runs import claims
from pipeline.runs.names import split_try
from pipeline.runs.record import RunRecord, RunState
from pipeline.runs.summary import find_summary
from pipeline.storage import account
from scoring.formats import LandingStatus
from tests.simulation.world import (
    CUT_SHORT,
    SENSORS,
    SETTINGS,
    Call,
    Disturbance,
    Plan,
    World,
    blob_name,
)

NAMES = 4
LATEST = SETTINGS.grace - timedelta(minutes=1)
"""A listing must not lag further than the sweep looks back, as the setting documents."""

FIXED = ((account, "PARALLEL", 1), (claims, "MANY", 2), (shared_page, "TRIES", 0))
"""Constants of the product, as a search sets them: requests come one at a time, so that it decides their
order; two claims are listed already, and listings can be late; and no process writes the page of runs."""

total: Counter[str] = Counter()
"""Requests, calls, runs and landings of all examples."""

minutes = st.integers(0, 20).map(lambda minutes: timedelta(minutes=minutes))
durations = minutes | minutes | minutes | st.just(COLD_AFTER + timedelta(hours=1))


def plans(deep: int) -> st.SearchStrategy[Plan]:
    troubles: st.SearchStrategy[Disturbance | Call] = st.sampled_from(Disturbance)
    if deep:
        troubles |= calls(deep - 1)
    return st.builds(
        Plan,
        at=st.dictionaries(st.integers(1, 30), troubles, max_size=3),
        skew=st.integers(-300, 300).map(lambda seconds: timedelta(seconds=seconds)),
        late=st.integers(0, int(LATEST.total_seconds())).map(lambda seconds: timedelta(seconds=seconds)),
        holds=st.booleans(),
    )


def calls(deep: int) -> st.SearchStrategy[Call]:
    what = st.sampled_from(["deliver", "deliver", "deferred", "sweep", "manual", "cancel"])
    return st.builds(Call, what=what, which=st.integers(0, NAMES), plan=plans(deep))


class Fleet(RuleBasedStateMachine):
    """Landings are uploaded and deleted, events are delivered at any time, hosts and jobs fail."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.number = 0

    @rule(which=st.integers(0, NAMES - 1), begins=st.sampled_from([b"", CUT_SHORT]))
    def blob_is_uploaded(self, which: int, begins: bytes) -> None:
        self.number += 1
        self.world.upload(blob_name(which), b"%s %d" % (begins, self.number))

    @rule(which=st.integers(0, NAMES - 1))
    def blob_is_removed(self, which: int) -> None:
        self.world.remove(blob_name(which))

    @rule(call=calls(2))
    def host_is_called(self, call: Call) -> None:
        self.world.call(call)

    @rule(first=st.integers(0, NAMES - 1), last=plans(2), what=st.sampled_from(["deliver", "deferred"]))
    def burst_arrives(self, first: int, last: Plan, what: str) -> None:
        """All but its first landing are deferred, and the run after that takes them along."""
        for which in range(NAMES):
            self.blob_is_uploaded((first + which) % NAMES, b"")
            self.world.call(Call("deliver", (first + which) % NAMES))
        self.world.end_job(0, "succeeds", local=True)
        self.world.call(Call(what, first, last))

    @rule(plan=plans(2), after=durations)
    def timer_ticks(self, plan: Plan, after: timedelta) -> None:
        self.world.pass_time(after)
        self.world.next_tick()
        self.world.call(Call("sweep", plan=plan))

    @rule(duration=durations)
    def time_passes(self, duration: timedelta) -> None:
        self.world.pass_time(duration)

    @rule(
        which=st.integers(0, 5),
        outcome=st.sampled_from(["succeeds", "fails", "loses collect late", "fails for good", "vanishes"]),
        local=st.booleans(),
    )
    def job_ends(self, which: int, outcome: str, local: bool) -> None:
        self.world.end_job(which, outcome, local=local)

    @rule(which=st.integers(0, 5), lost=st.integers(1, 2 ** len(SENSORS) - 1), local=st.booleans())
    def job_loses_steps(self, which: int, lost: int, local: bool) -> None:
        """All of them, where each node was pre-empted."""
        self.world.end_job(which, "loses steps", lost, local=local)

    @rule()
    def fleet_is_published_again(self) -> None:
        self.number += 1
        self.world.publish(f"v{self.number}")

    @invariant()
    def states_of_runs_only_move_forward(self) -> None:
        for record in self.world.records():
            before = self.world.known.get(record.run)
            if before is not None and before.state is not record.state:
                restarted = record.restarts > before.restarts
                assert before.state.leads_to(record.state) or restarted, (before, record)
            self.world.known[record.run] = record

    @invariant()
    def no_run_is_tried_too_often(self) -> None:
        for record in self.world.records():
            assert record.tries == split_try(record.run)[1] <= SETTINGS.max_tries, record
            assert record.restarts <= SETTINGS.max_tries, record

    @invariant()
    def every_claim_has_its_run(self) -> None:
        for key, run in self.world.claims().items():
            assert self.world.has_run(run), (key, run)

    @invariant()
    def no_reading_is_scored_twice(self) -> None:
        """In all folders with `_SUCCESS` together."""
        scored: Counter[tuple[str, str]] = Counter()
        for run, job in self.world.jobs.items():
            if job.scored and self.world.finished(run) and self.world.runs.load(run).claims:
                scored.update(job.scored)
        assert all(count == 1 for count in scored.values()), scored

    @invariant()
    def runs_score_only_what_they_or_their_next_try_claimed(self) -> None:
        claims = self.world.claims()
        for run, job in self.world.jobs.items():
            for key, _ in job.scored:
                holder, number = split_try(claims.get(key, ""))
                assert (holder, number >= split_try(run)[1]) == (split_try(run)[0], True), (key, run, holder)

    def teardown(self) -> None:
        """Without faults, a day later no run is open and every landing is scored once."""
        self.world.pass_time(WHOLE_EVERY)
        for _ in range(12):
            self.world.pass_time(timedelta(minutes=30))
            self.world.next_tick()
            self.world.call(Call("sweep"))
            self.states_of_runs_only_move_forward()
            while any(not job.state.final for job in self.world.jobs.values()):
                self.world.end_job(0, "succeeds")
            self.no_reading_is_scored_twice()
        assert self.world.runs.markers.all() == []
        records = {record.run: record for record in self.world.records()}
        assert all(record.state.final for record in records.values()), records
        claims = self.world.claims()
        for key, name in self.world.existing().items():
            assert key in claims, (name, "was forgotten")
            last = records[claims[key]]
            for sensor in SENSORS:
                scored = self.world.scored_by(key, sensor)
                assert len(scored) == 1 or self.is_given_up(last, sensor), (name, sensor, last, scored)
        self.every_alert_was_logged(records.values())
        self.every_loss_is_one_event(records.values())
        total.update(
            {
                "requests": self.world.steps,
                "calls": self.world.calls,
                "runs": len(records),
                "landings": len(self.world.uploaded),
                "jobs that lost steps on azureml": self.world.lost["azureml"],
                "on local": self.world.lost["local"],
            }
        )

    def is_given_up(self, last: RunRecord, sensor: str) -> bool:
        """Whether a sensor is unscored for a reason, in the last try of a run that has its landing."""
        if last.state is RunState.CANCELED or self.world.runs.cancel_requested(last.run):
            return True
        if last.state is RunState.FAILED and not last.missing:
            return last.tries == SETTINGS.max_tries or not last.retry
        return sensor in last.missing and last.tries == SETTINGS.max_tries and not last.retry

    def every_alert_was_logged(self, records: Iterable[RunRecord]) -> None:
        """By a call of the app: the alert does not search the log of a worker."""
        for record in records:
            has_failed = not record.retry and (record.state is RunState.FAILED or bool(record.missing))
            assert has_failed == (record.run in self.world.alerts.runs), record

    def every_loss_is_one_event(self, records: Iterable[RunRecord]) -> None:
        """A run that failed for good, and a landing that all tries of a run together could not read."""
        preds: Any = self.world.store.preds
        state = read_state(preds)
        outbox = state.outbox  # nothing leaves it: no process can lease the lock
        failed, lost = set(), set()
        for record in records:
            if record.failed_for_good:
                failed.add(record.run)
            if record.run in state.runs and not (record.failed_for_good and not record.missing):
                summary = find_summary(preds, record.run)
                rows = summary.landings if summary else ()
                unreadable = (row.name for row in rows if row.status is LandingStatus.UNREADABLE)
                lost |= {(split_try(record.run)[0], name) for name in unreadable}
        announced = [event.subject for event in outbox if event.kind is EventKind.RUN_FAILED]
        assert sorted(announced) == sorted(failed), ("events of failed runs", announced, failed)
        named = [
            (split_try(event.subject)[0], landing["name"])
            for event in outbox
            if event.kind is EventKind.REJECTS
            for landing in event.data["landings"]
        ]
        assert sorted(named) == sorted(lost), ("events of lost rows", named, lost)
