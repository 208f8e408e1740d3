from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fleet.events import FLEET, OF_FLEET, EventKind
from pipeline.fleet.merge import merge
from pipeline.fleet.silence import fall_silent
from pipeline.fleet.state import FleetState
from tests.pipeline.fleet.findings import at, finished, rules

USUAL = rules()
HOUR, DAY = 60, 1440


class Fleet:
    """A fleet over time, in minutes: runs that arrive, and sweeps; it has sent each hour until -1 o'clock."""

    def __init__(self, rules=USUAL, *, habit=True):
        self.state = FleetState()
        self.rules = rules
        for hours in range(-4 if habit else 0, 0):
            self.arrives(hours * HOUR)

    def arrives(self, minute, *, last=None, key=("1", "2")):
        """A run ends at `minute`; its last reading is of then, or of `last`."""
        last = minute if last is None else last
        run = finished(f"{key[1]}-{minute}-{last}", key, first=last)
        self.state = merge(self.state, run, self.rules, at(minute))

    def swept(self, minute):
        self.state = fall_silent(self.state, self.rules, at(minute))

    def kinds(self):
        return [event.kind for event in self.state.outbox]


def test_a_fleet_of_which_nothing_arrives_is_silent_once_and_back_once():
    fleet = Fleet()
    for number in range(3):
        fleet.arrives(number * HOUR)
        fleet.arrives(number * HOUR, key=("1", "3"))
    for hours in range(3, 40):
        fleet.swept(hours * HOUR)
    (event,) = fleet.state.outbox
    assert (event.kind, event.data["last_reading"]) == (EventKind.FLEET_SILENT, "2026-11-27T14:00:00Z")
    fleet.arrives(40 * HOUR)
    fleet.arrives(41 * HOUR)
    assert fleet.kinds() == [EventKind.FLEET_SILENT, EventKind.FLEET_BACK]


def test_it_falls_silent_again_under_another_id():
    fleet = Fleet()
    for start in (0, DAY):
        fleet.arrives(start)
        fleet.swept(start + 10 * HOUR)
    assert fleet.kinds() == [EventKind.FLEET_SILENT, EventKind.FLEET_BACK, EventKind.FLEET_SILENT]
    assert len({event.id for event in fleet.state.outbox}) == 3


def test_a_fleet_that_sends_once_a_day_is_silent_after_three_days():
    fleet = Fleet(habit=False)
    for day in range(3):
        fleet.arrives(day * DAY)
    fleet.swept(5 * DAY - 1)
    assert fleet.kinds() == []
    fleet.swept(5 * DAY)
    assert fleet.kinds() == [EventKind.FLEET_SILENT]


def test_a_fleet_that_has_sent_once_has_no_habit_and_is_never_silent():
    fleet = Fleet(habit=False)
    fleet.arrives(0)
    fleet.arrives(1, last=0, key=("1", "3"))
    fleet.swept(9 * DAY)
    assert fleet.kinds() == []


def test_readings_of_last_january_that_are_scored_today_are_no_silence():
    fleet = Fleet(habit=False)
    for day in range(30):
        fleet.arrives(300 * DAY + day, last=day * DAY)
    fleet.swept(400 * DAY)
    assert fleet.kinds() == []
    assert fleet.state.silent_at is None


def test_old_readings_neither_put_off_the_silence_of_a_fleet_nor_end_it():
    fleet = Fleet()
    fleet.arrives(0)
    fleet.arrives(5 * HOUR, last=-100 * DAY)
    fleet.arrives(7 * HOUR, last=HOUR // 2)  # newer than all, and late
    fleet.swept(8 * HOUR)
    fleet.arrives(9 * HOUR, last=HOUR)
    assert fleet.kinds() == [EventKind.FLEET_SILENT]


def test_a_clock_that_runs_ahead_does_not_hide_the_silence():
    fleet = Fleet()
    fleet.arrives(0, last=20 * HOUR)
    fleet.swept(7 * HOUR)
    assert fleet.kinds() == [EventKind.FLEET_SILENT]
    assert fleet.state.silent_since == at(0)


def test_after_the_silence_of_the_fleet_each_sensor_has_its_usual_time_to_be_back():
    fleet = Fleet()
    keys = [("1", str(number)) for number in range(5)]
    for key in keys:
        fleet.arrives(0, key=key)
    fleet.swept(2 * DAY)
    fleet.arrives(2 * DAY, key=keys[0])
    fleet.arrives(2 * DAY + HOUR, key=keys[1])
    assert fleet.kinds() == [EventKind.FLEET_SILENT, EventKind.FLEET_BACK]
    fleet.arrives(2 * DAY + 7 * HOUR, key=keys[0])
    silent = [event.subject for event in fleet.state.outbox if event.kind is EventKind.SENSOR_SILENT]
    assert silent == ["1/2", "1/3", "1/4"]


def test_a_fleet_that_is_muted_as_a_whole_is_announced_when_the_mute_has_ended():
    fleet = Fleet(rules(muted={FLEET}))
    fleet.arrives(0)
    fleet.swept(7 * HOUR)
    assert fleet.kinds() == []
    fleet.rules = USUAL
    fleet.swept(8 * HOUR)
    assert fleet.kinds() == [EventKind.FLEET_SILENT]


def test_a_fleet_that_is_back_while_it_is_muted_is_back_when_the_mute_has_ended():
    fleet = Fleet()
    fleet.arrives(0)
    fleet.swept(7 * HOUR)
    fleet.rules = rules(muted={FLEET})
    fleet.arrives(8 * HOUR)
    assert fleet.kinds() == [EventKind.FLEET_SILENT]
    fleet.rules = USUAL
    fleet.arrives(9 * HOUR)
    assert fleet.kinds() == [EventKind.FLEET_SILENT, EventKind.FLEET_BACK]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["arrives", "late", "sweep", "mute"]),
            st.sampled_from([1, HOUR, 5 * HOUR, DAY, 9 * DAY]),
        )
    )
)
def test_silent_and_back_alternate_in_any_order_of_runs_sweeps_and_mutes(steps):
    fleet, minute = Fleet(), 0
    for what, wait in steps:
        minute += wait
        if what == "sweep":
            fleet.swept(minute)
        elif what == "mute":
            fleet.rules = USUAL if fleet.rules is not USUAL else rules(muted={FLEET})
        else:
            fleet.arrives(minute, last=minute - 40 * DAY if what == "late" else None)
    kinds = [kind for kind in fleet.kinds() if kind in OF_FLEET]
    assert kinds[:1] in ([], [EventKind.FLEET_SILENT])
    assert all(len(list(same)) == 1 for _, same in groupby(kinds))
    # In the end it is silent: it is not muted, and its last readings were new when they arrived.
    fleet.rules = USUAL
    fleet.arrives(minute + 1)
    fleet.arrives(minute + 2)
    fleet.swept(minute + 10_000 * DAY)
    assert [kind for kind in fleet.kinds() if kind in OF_FLEET][-1] is EventKind.FLEET_SILENT
