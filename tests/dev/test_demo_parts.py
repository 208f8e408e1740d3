"""Parts of the demo that need no stage."""

import subprocess
import sys
import uuid

import pytest

from dev.demo.fleet import DemoError, Fleet, Landing, given
from dev.demo.leftovers import MARK, end_marked
from dev.demo.play import parts
from dev.demo.results import Results, table


def test_a_folder_of_readings_lands_under_its_own_names(tmp_path):
    for name in ("b/late.parquet", "a.csv", "a.csv.gz", "notes.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"x")
    models = tmp_path / "models"
    models.mkdir()
    (models / "model_1_1.skops").write_bytes(b"x")
    fleet = given(tmp_path / "data", models).fleet(tmp_path, {}, print)
    assert [landing.name for landing in fleet.landings] == ["a.csv", "a.csv.gz", "b/late.parquet"]
    assert fleet.models == models


@pytest.mark.parametrize(
    ("data", "complaint"),
    [("none", "DATA should be a file of readings or a folder"), ("empty", "no readings in")],
)
def test_a_place_without_readings_is_refused(tmp_path, data, complaint):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DemoError, match=complaint):
        given(tmp_path / data, tmp_path)


def test_of_several_landings_the_last_is_left_to_the_timer_and_no_landings_are_left_out(tmp_path, capsys):
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty.csv").write_bytes(b"")
    names = ("a.csv", "_x/a.csv", "b.csv", "empty.csv", "c.csv")
    landings = [Landing(tmp_path / name.rpartition("/")[2], name) for name in names]
    told, withheld = parts(Fleet(landings, tmp_path), print)
    assert [landing.name for landing in told] == ["a.csv", "b.csv"]
    assert [landing.name for landing in withheld] == ["c.csv"]
    said = capsys.readouterr().out
    assert "Left out _x/a.csv: " in said
    assert "Left out empty.csv: it is empty" in said


def test_a_single_landing_is_told_and_none_is_withheld(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x")
    landing = Landing(tmp_path / "a.csv", "a.csv")
    assert parts(Fleet([landing], tmp_path), print) == ([landing], [])


def sensor(name, anomalies, status="scored", reason=None):
    values = {"readings": 1720, "anomalies": anomalies, "worst": -0.0649 if anomalies else None}
    return {"device": "1", "sensor": name, "status": status, "reason": reason, **values}


def test_the_table_has_sensors_with_anomalies_the_worst_first(tmp_path):
    results = Results(
        "run", tmp_path, {"sensors": [sensor("1", 0), sensor("2", 3), sensor("3", 11)], "landings": []}
    )
    assert list(table(results.anomalous)) == [
        "  device  sensor  readings  anomalies  share  worst score",
        "  1       3       1,720     11         0.6%   -0.0649",
        "  1       2       1,720     3          0.2%   -0.0649",
    ]


def test_the_table_tells_a_score_below_all_numbers():
    assert list(table([sensor("1", 1) | {"worst": "-Infinity"}]))[-1].endswith("0.1%   -inf")


def test_of_no_sensors_there_is_no_table():
    assert list(table([])) == []


def test_a_long_table_ends_with_how_many_there_are_beside():
    assert list(table([sensor(str(number), 1) for number in range(1_025)]))[-1] == (
        "  ... and 1,005 more: see summary.csv"
    )


def test_what_was_not_scored_is_a_problem(tmp_path):
    sensors = [sensor("1", 0), sensor("2", 0, "failed", "the model is broken"), sensor("3", 0, "no-model")]
    landings = [
        {"name": "a.csv", "status": "read", "reason": None},
        {"name": "b.csv", "status": "vanished", "reason": None},
    ]
    results = Results("run", tmp_path, {"sensors": sensors, "landings": landings})
    assert results.problems == [
        "b.csv: vanished",
        "sensor 1/2: failed, the model is broken",
        "sensor 1/3: no-model",
    ]


def test_everything_with_the_mark_is_ended_even_what_has_left_its_group():
    mark = uuid.uuid4().hex
    sleep = "import time; time.sleep(600)"
    marked = subprocess.Popen([sys.executable, "-c", sleep], env={MARK: mark}, start_new_session=True)
    other = subprocess.Popen([sys.executable, "-c", sleep], env={MARK: "other"})
    try:
        assert end_marked(mark) == 1
        marked.wait(5)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
