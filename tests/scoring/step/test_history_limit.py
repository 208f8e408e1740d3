"""Readings come from strangers, of any day: what a step remembers over time does not grow without end."""

import json
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.svm import OneClassSVM

from scoring.collect import rejects
from scoring.collect.rejects import RowCounter, count_rows
from scoring.collect.unscored_days import UnscoredDays
from scoring.formats import DAYS_CSV, EPISODES_CSV, SUMMARY_JSON
from scoring.keys import SensorKey
from scoring.models.write import save_model
from scoring.readings.files import Source
from scoring.step import history_limit
from scoring.step.days import DAYS, merge_days
from scoring.step.history_limit import LEAST, NewestRows, newest
from scoring.step.sensor_limit import SensorLimit
from tests.scoring.peak import run_for_peak
from tests.scoring.run_command import scoring

KNOWN = SensorKey("1", "1")
FIRST = date(1700, 1, 1)
DAYS_OF_A_CALENDAR = 200_000


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for sensor in range(1, 21):
        values = np.linspace(0, 1, 20)[:, None]
        save_model(OneClassSVM().fit(values), tmp_path / "models", SensorKey("1", str(sensor)))
    return tmp_path / "models"


def write_days(file: Path, count: int, value: str) -> None:
    """A row for each of this many days of sensors, `DAYS_OF_A_CALENDAR` of each."""
    with file.open("w") as out:
        out.write("TS,Device,Sensor,Value\n")
        for i in range(count):
            sensor, day = divmod(i, DAYS_OF_A_CALENDAR)
            out.write(f"{FIRST + timedelta(day)},1,{sensor + 1},{value}\n")


def sensor_days(numbers: list[tuple[int, int]]) -> np.ndarray:
    rows = np.zeros(len(numbers), DAYS)
    rows["place"], rows["day"] = np.array(numbers, np.int32).reshape(-1, 2).T
    rows["readings"] = 1
    return rows


@given(
    numbers=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 150)), max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=5),
)
def test_the_newest_days_are_kept_in_any_order_and_any_parts(
    numbers: list[tuple[int, int]], cuts: list[int]
) -> None:
    most = 80
    ends = sorted({0, len(numbers), *(cut for cut in cuts if cut < len(numbers))})
    kept = NewestRows(merge_days, most)
    for first, last in pairwise(ends):
        kept.add(sensor_days(numbers[first:last]))
        kept.merged()
    found = [(row["place"], row["day"]) for row in kept.merged()]
    distinct = sorted(set(numbers))
    share = max(most // max(len({place for place, _ in distinct}), 1), LEAST)
    expected = [
        each
        for each in distinct
        if len(distinct) <= most or sum(each < other and each[0] == other[0] for other in distinct) < share
    ]
    assert found == expected


def test_a_sensor_with_many_rows_takes_none_of_those_of_another() -> None:
    places = np.array([0] * 500 + [1] * 3)
    assert newest(places, 100).tolist() == [False] * 440 + [True] * 63


@pytest.mark.slow
def test_millions_of_days_and_anomalies_take_little_more_memory_than_the_limit(tmp_path, models):
    """Each reading is an anomaly, and of another day and episode."""
    data, out = tmp_path / "data.csv", tmp_path / "out"
    out.mkdir()
    peaks = []
    for count in (history_limit.MOST_DAYS, 3 * history_limit.MOST_DAYS):
        write_days(data, count, "9")
        peaks.append(
            run_for_peak("score", "--data", data, "--models", models, "--out", out, "--episode-gap", 1)[1]
        )
    assert peaks[1] < peaks[0] + 400
    totals = json.loads((out / SUMMARY_JSON).read_bytes())["totals"]
    assert totals["readings"] == totals["anomalies"] == count
    assert totals["readings_on_unlisted_days"] >= count - history_limit.MOST_DAYS
    assert totals["anomalies_in_unlisted_episodes"] >= count - history_limit.MOST_EPISODES


def test_days_and_episodes_that_are_too_many_are_counted_and_the_newest_are_listed(
    tmp_path, models, monkeypatch
):
    monkeypatch.setattr("scoring.step.history.MOST_DAYS", 70)
    monkeypatch.setattr("scoring.step.episodes.MOST_EPISODES", 70)
    data, out = tmp_path / "data.csv", tmp_path / "out"
    write_days(data, 100, "9")
    done = scoring("score", "--data", data, "--models", models, "--out", out, "--episode-gap", 1)
    assert done.code == 0
    totals = json.loads((out / SUMMARY_JSON).read_bytes())["totals"]
    assert (totals["readings_on_unlisted_days"], totals["anomalies_in_unlisted_episodes"]) == (30, 30)
    for name in (DAYS_CSV, EPISODES_CSV):
        rows = (out / name).read_text().splitlines()[1:]
        assert (len(rows), rows[-1].split(",")[2][:10]) == (70, str(FIRST + timedelta(99)))


def test_days_with_rejects_are_listed_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(rejects, "MOST_DAYS", 5)
    write_days(tmp_path / "data.csv", 20, "x")
    with RowCounter(tmp_path, SensorLimit({KNOWN})) as counter:
        count_rows([Source("data.csv", tmp_path / "data.csv")], counter, UnscoredDays({KNOWN}, {}))
    assert [day for _, day in counter.rejected_on] == [str(FIRST + timedelta(day)) for day in range(5)]
    assert counter.rejected == {KNOWN: 20}
