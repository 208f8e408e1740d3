from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fleet.events import EventKind
from pipeline.fleet.finished import LostRows
from pipeline.fleet.merge import merge
from pipeline.fleet.state import MOST_DAYS, MOST_EPISODES, MOST_RUNS, FleetState
from scoring.formats import LandingStatus
from tests.pipeline.fleet.findings import NOW, at, episodes, finished, rules

KEYS = [("1", "2"), ("1", "3"), ("a/b", "ö")]


USUAL = rules()


def merged(*runs, rules=USUAL, state=None, now=NOW):
    state = state or FleetState()
    for run in runs:
        state = merge(state, run, rules, now)
    return state


def sensor(state, key=("1", "2")):
    return next(each for each in state.sensors if each.key == key)


def kinds(state):
    return [event.kind for event in state.outbox]


@st.composite
def landings(draw, gaps=(10,), most=18):
    """Runs of a few sensors, whose readings do not overlap; in any order, some of them repeated.

    Each sensor has at most `most` anomalies.
    """
    runs = []
    for number, key in enumerate(KEYS):
        cuts = sorted(draw(st.sets(st.integers(0, 3000), min_size=2, max_size=6)))
        left = most
        for first, after in pairwise(cuts):
            anomalies = draw(st.sets(st.integers(first, after - 1), max_size=min(3, left)))
            left -= len(anomalies)
            name, gap = f"{number}-{first}", draw(st.sampled_from(gaps))
            runs.append(finished(name, key, first=first, last=after - 1, anomalies=anomalies, gap=gap))
    repeated = draw(st.lists(st.sampled_from(runs), max_size=4))
    return runs, draw(st.permutations([*runs, *repeated]))


def contents(state):
    """What must not depend on the order of runs: all but ids, names of runs and what was announced."""
    return {
        each.key: (
            each.last_reading,
            each.last_anomaly,
            each.interval_s,
            each.model,
            each.silent_since,
            [day[:4] for day in each.read_days()],
            [
                (one.start, one.end, one.readings, one.peak_ts, one.peak_score, one.direction, one.state)
                for one in each.episodes
            ],
        )
        for each in state.sensors
    }


# With more episodes, the order decides which of them are forgotten before they can join another.
@settings(deadline=None)
@given(landings(gaps=(5, 10, 200), most=MOST_EPISODES))
def test_any_order_of_runs_and_any_repeat_gives_the_same_sensors_days_and_episodes(case):
    runs, order = case
    assert contents(merged(*order)) == contents(merged(*runs))


@settings(deadline=None)
@given(landings())
def test_the_episodes_are_those_of_all_readings_in_one_run(case):
    runs, order = case
    state = merged(*order)
    for key in KEYS:
        found = [each for run in runs for each in run.episodes.get(key, ())]
        minutes: set[int] = set()
        for each in found:  # all minutes between: only starts and ends are compared
            first, last = ((time - at(0)) // timedelta(minutes=1) for time in (each.start, each.end))
            minutes.update(range(first, last + 1))
        whole = list(episodes(minutes, 10, at(3000)))[-MOST_EPISODES:]
        got = [(one.start, one.end) for one in sensor(state, key).episodes]
        assert got[len(got) - len(whole) :] == [(one.start, one.end) for one in whole]


@settings(deadline=None)
@given(landings())
def test_each_event_is_made_once_and_each_closed_episode_was_opened_before(case):
    state = merged(*case[1], rules=rules(least=1))
    ids = [event.id for event in state.outbox]
    assert len(ids) == len(set(ids))
    opened = set()
    for event in state.outbox:
        if event.kind is EventKind.EPISODE_OPENED:
            opened.add((event.subject, event.data["episode"]))
        elif event.kind is EventKind.EPISODE_CLOSED:
            assert (event.subject, event.data["episode"]) in opened


def test_an_episode_that_continues_in_the_next_landing_keeps_its_id():
    state = merged(finished("a", last=30, anomalies={28, 29, 30}))
    before = sensor(state).episodes[0]
    state = merged(finished("b", first=31, last=60, anomalies={33, 34}), state=state)
    (after,) = sensor(state).episodes
    assert (after.id, after.start, after.end, after.readings) == (before.id, at(28), at(34), 5)
    assert (before.state, after.state) == ("open", "closed")
    assert kinds(state) == [EventKind.EPISODE_OPENED, EventKind.EPISODE_CLOSED]


def test_a_landing_that_comes_late_joins_two_episodes_into_the_one_that_was_announced_first():
    state = merged(
        finished("a", last=10, anomalies={5, 6}), finished("c", first=21, last=60, anomalies={25, 26})
    )
    first, second = sensor(state).episodes
    state = merged(finished("b", first=11, last=20, anomalies={14, 15, 16}), state=state)
    (episode,) = sensor(state).episodes
    assert episode.id == first.id
    assert (episode.start, episode.end, episode.readings) == (at(5), at(26), 7)
    assert kinds(state).count(EventKind.EPISODE_CLOSED) == 2
    assert second.id in {event.data["episode"] for event in state.outbox}


def test_a_run_that_scores_landings_again_changes_no_counts():
    state = merged(finished("a", last=30, anomalies={3, 4}))
    again = merged(finished("again", last=30, anomalies={3, 4}, claims=False), state=state)
    assert contents(again) == contents(state)


def test_days_are_counted_in_utc_and_only_the_last_ones_are_kept():
    state = merged(*(finished(f"r{day}", first=day * 1440, last=day * 1440 + 9) for day in range(-70, 1)))
    days = sensor(state).read_days()
    assert len(days) == MOST_DAYS
    assert days[-1] == ("2026-11-27", 10, 0, 0, "r0")


def test_readings_in_the_future_are_left_out():
    state = merged(
        finished("a", last=9), finished("b", first=10_000_000, last=10_000_009, anomalies={10_000_001})
    )
    assert sensor(state).last_reading == at(9)
    assert sensor(state).episodes == ()


def test_the_state_after_ten_thousand_runs_is_no_larger_than_after_a_hundred():
    muted = rules(muted={("1", "2")})  # what is delivered leaves the outbox

    def size(count):
        state = FleetState()
        for day in range(-count, 0):
            first = day * 1440
            run = finished(
                f"r{-day:06}", first=first, last=first + 30, anomalies={first, first + 1, first + 20}
            )
            state = merge(state, run, muted, NOW)
        return len(state.to_bytes())

    assert size(10_000) < size(MOST_RUNS) * 1.02


def test_the_names_of_runs_are_bounded():
    state = merged(*(finished(f"r{number}", first=number) for number in range(MOST_RUNS + 20)))
    assert len(state.runs) == MOST_RUNS
    assert state.runs[-1] == f"r{MOST_RUNS + 19}"


class TestFatigue:
    def test_a_short_episode_is_not_announced(self):
        assert kinds(merged(finished(last=60, anomalies={5}))) == []
        assert kinds(merged(finished(last=60, anomalies={5, 7}), rules=rules(duration=5))) == []
        assert len(kinds(merged(finished(last=60, anomalies={5, 11}), rules=rules(duration=5)))) == 2

    def test_a_sensor_cools_down_after_an_episode(self):
        state = merged(finished(last=300, anomalies={5, 6, 40, 41, 200, 201}), rules=rules(cool_down=60))
        starts = [event.data["start"] for event in state.outbox if event.kind is EventKind.EPISODE_OPENED]
        assert starts == ["2026-11-27T12:05:00Z", "2026-11-27T15:20:00Z"]

    def test_an_episode_that_lasts_beyond_the_time_to_cool_down_is_announced(self):
        anomalies = {5, 6, *range(40, 100, 5)}
        state = merged(finished(last=110, anomalies=anomalies), rules=rules(cool_down=60))
        assert kinds(state).count(EventKind.EPISODE_OPENED) == 2

    def test_a_muted_sensor_is_announced_when_the_mute_has_ended_and_the_episode_is_open(self):
        muted = rules(muted={("1", "2")})
        state = merged(finished("a", last=30, anomalies={28, 29}), rules=muted)
        assert kinds(state) == []
        state = merged(finished("b", first=31, last=40, anomalies={33}), state=state)
        assert kinds(state) == [EventKind.EPISODE_OPENED]

    def test_a_backfill_announces_no_history(self):
        assert kinds(merged(finished(last=3 * 1440, anomalies={5, 6}))) == []


class TestSilence:
    def test_a_sensor_that_lags_its_fleet_is_silent_once_and_back_once(self):
        state = merged(
            finished("a", ("1", "2"), last=10),
            finished("b", ("1", "3"), last=10),
            finished("c", ("1", "3"), first=11, last=400),
            finished("d", ("1", "3"), first=401, last=500),
        )
        assert sensor(state).silent_since == at(10)
        assert kinds(state) == [EventKind.SENSOR_SILENT]
        state = merged(finished("e", ("1", "2"), first=490, last=495), state=state)
        assert sensor(state).silent_since is None
        assert kinds(state) == [EventKind.SENSOR_SILENT, EventKind.SENSOR_BACK]

    def test_a_sensor_that_sends_once_a_day_is_not_silent_after_six_hours(self):
        daily = [finished(f"d{day}", ("1", "2"), first=day * 1440) for day in range(-3, 1)]
        state = merged(*daily, finished("b", ("1", "3"), last=1000))
        assert kinds(state) == []
        state = merged(finished("c", ("1", "3"), first=1001, last=3 * 1440 + 1), state=state)
        assert kinds(state) == [EventKind.SENSOR_SILENT]

    def test_an_early_outage_does_not_make_a_sensor_seem_to_send_seldom(self):
        """It sends each hour, and sent nothing for ten days after its first landing."""
        first, back = -11 * 1440, -1440
        hourly = [finished(f"h{minute}", ("1", "2"), first=minute) for minute in (first, back, back + 60)]
        state = merged(*hourly, finished("b", ("1", "3"), first=back + 60 + 360))
        assert kinds(state) == []
        state = merged(finished("c", ("1", "3"), first=back + 60 + 361), state=state)
        assert kinds(state) == [EventKind.SENSOR_SILENT]


def unscored(run, hours=0):
    """A run in which the model of a sensor failed, created that many hours after the others."""
    run = finished(run, days={}, models={}, unscored={("9", "9"): "the model is refused"})
    return replace(run, created=NOW + timedelta(hours=hours))


def test_a_sensor_that_is_not_scored_is_announced_until_a_model_scores_it_again():
    state = merged(unscored("a"), unscored("b"), unscored("c"))
    assert kinds(state) == [EventKind.MODEL_MISSING]
    assert state.outbox[0].data["reason"] == "the model is refused"
    state = merged(finished("m", ("9", "9")), unscored("d"), state=state)
    assert kinds(state) == [EventKind.MODEL_MISSING] * 2
    repaired = replace(finished("n", ("9", "9")), created=NOW + timedelta(hours=1))  # with the same model
    state = merged(repaired, unscored("e", hours=2), unscored("f", hours=3), state=state)
    assert kinds(state) == [EventKind.MODEL_MISSING] * 3
    assert len({event.id for event in state.outbox}) == 3


def test_an_older_run_does_not_say_that_a_sensor_is_not_scored():
    assert kinds(merged(finished("m", ("9", "9")), unscored("a", hours=-1))) == []


def test_landings_whose_rows_are_lost_are_one_event_of_their_run():
    why = "30 of 100 rows were rejected"
    bad = [LostRows(f"{number}.csv", LandingStatus.PARTLY_REJECTED, why) for number in range(12)]
    (event,) = merged(finished(lost_rows=bad)).outbox
    assert (event.kind, event.subject, event.data["count"]) == (EventKind.REJECTS, "a", 12)
    assert len(event.data["landings"]) == 10


def test_the_stored_state_reads_as_it_was():
    state = merged(finished(last=60, anomalies={5, 6, 7}))
    data = state.to_bytes()
    again = FleetState.from_bytes(data, "it")
    assert again == state
    assert again.to_bytes() == data
