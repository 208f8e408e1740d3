"""Parts of the demo that need no sandbox."""

import json
import os
import shlex
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from dev.demo.fleet import DemoError, Fleet, Landing, find_input
from dev.demo.marked_processes import MARK, kill_marked
from dev.demo.results import Results, table, write_page
from dev.demo.scenario import next_step, print_end, split_by_trigger
from pipeline.runs.last import LastSweep
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState

READINGS = "TS,Device,Sensor,Value\n2026-01-01 00:00:00,1,1,74.99\n"


def test_files_in_a_folder_keep_their_relative_names(tmp_path):
    for name in ("b/late.csv", "a.csv", "a.csv.gz", "notes.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_text(READINGS)
    models = tmp_path / "models"
    models.mkdir()
    (models / "model_1_1.skops").write_bytes(b"x")
    fleet = find_input(tmp_path / "data", models).fleet(tmp_path, {}, print)
    assert [landing.name for landing in fleet.landings] == ["a.csv", "a.csv.gz", "b/late.csv"]
    assert fleet.models == models


def test_a_file_without_readings_is_found_before_anything_starts(tmp_path):
    (tmp_path / "good.csv").write_text(READINGS)
    (tmp_path / "epoch.csv").write_text(READINGS.replace("2026-01-01 00:00:00", "1767225600"))
    (tmp_path / "late.parquet").write_bytes(b"x")
    own = find_input(tmp_path, None)
    assert sorted(own.problems) == ["epoch.csv", "late.parquet"]
    assert own.problems["epoch.csv"].startswith(
        "epoch.csv: all of its rows (1) are rejected, the first is line 2: "
    )
    hint = "(Unix seconds? MAPPING=ts-format=unix-s)"
    assert own.problems["epoch.csv"].endswith(f" is not a timestamp {hint}")
    assert own.problems["late.parquet"].startswith("late.parquet: ")
    assert [landing.name for landing in own.landings] == ["epoch.csv", "good.csv", "late.parquet"]


def test_a_mapping_says_how_the_files_are_read(tmp_path):
    (tmp_path / "pump.csv").write_text("Zeit;a\n2026-01-01;1,5\n")
    own = find_input(tmp_path, None, "ts=Zeit wide device-from=file decimal=comma")
    assert (own.problems, own.mapping) == ({}, "ts=Zeit wide device-from=file decimal=comma")
    with pytest.raises(DemoError, match='MAPPING="ts=Zeit device-from=file wide decimal=comma" reads it'):
        find_input(tmp_path, None)
    with pytest.raises(DemoError, match="MAPPING: 'zt' is unknown"):
        find_input(tmp_path, None, "zt=Zeit")


@pytest.mark.parametrize("ts", ["Time (UTC)", "US$", "it's $(now) `now`"])
def test_make_takes_the_mapping_as_it_is_suggested(tmp_path, ts):
    (tmp_path / "pump.csv").write_text(f"{ts},a\n2026-01-01,1\n")
    with pytest.raises(DemoError) as caught:
        find_input(tmp_path, None)
    text = str(caught.value)
    assert "--mapping" not in text
    given = text.partition("; ")[2].partition(" reads it")[0]
    makefile = tmp_path / "Makefile"
    makefile.write_text('run:\n\t@printf %s "$$MAPPING"\n')
    command = f"make -s -f {shlex.quote(str(makefile))} {given}"
    mapping = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert find_input(tmp_path, None, mapping).problems == {}


def test_where_no_file_has_readings_nothing_starts(tmp_path):
    (tmp_path / "late.parquet").write_bytes(b"x")
    with pytest.raises(DemoError, match=r"nothing can be scored: late\.parquet: "):
        find_input(tmp_path, None)


@pytest.mark.parametrize(
    ("data", "error"),
    [("none", "DATA must be a file or a folder of readings"), ("empty", "no readings in")],
)
def test_a_path_without_readings_is_refused(tmp_path, data, error):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DemoError, match=error):
        find_input(tmp_path / data, tmp_path)


def test_everything_wrong_with_data_and_models_is_reported_together(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model_pump_1_temp.skops").write_bytes(b"x")
    (tmp_path / "models" / "README.md").write_bytes(b"x")
    with pytest.raises(DemoError) as caught:
        find_input(tmp_path / "none", tmp_path / "models")
    text = str(caught.value)
    assert "DATA must be a file or a folder of readings; no models in " in text
    assert "as in 'pump_1%5Ftemp' or 'pump%5F1_temp'" in text
    assert "ignored, not models: README.md" in text


def test_all_refused_legacy_models_are_named(tmp_path, capsys):
    (tmp_path / "readings.csv").write_text("TS,Device,Sensor,Value\n2026-01-01,1,1,20\n")
    (tmp_path / "old").mkdir()
    for number in range(3):
        (tmp_path / "old" / f"model_1_{number}.pkl").write_bytes(b"no pickle")
    own = find_input(tmp_path / "readings.csv", tmp_path / "old")
    with pytest.raises(
        DemoError, match=r"import-models failed: refused 'model_1_2\.pkl': .* remove the refused ones"
    ):
        own.fleet(tmp_path / "new", os.environ, print)
    refused = [line for line in capsys.readouterr().err.splitlines() if line.startswith("refused 'model_1_")]
    assert len(refused) == 2


def test_the_last_of_several_landings_is_for_the_timer_and_other_files_are_skipped(tmp_path, capsys):
    for name in ("a.csv", "b.csv", "c.csv"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty.csv").write_bytes(b"")
    names = ("a.csv", "_x/a.csv", "b.csv", "empty.csv", "c.csv")
    landings = [Landing(tmp_path / name.rpartition("/")[2], name) for name in names]
    with_event, without_event = split_by_trigger(Fleet(landings, tmp_path), print)
    assert [landing.name for landing in with_event] == ["a.csv", "b.csv"]
    assert [landing.name for landing in without_event] == ["c.csv"]
    output = capsys.readouterr().out
    assert "Skipped _x/a.csv: " in output
    assert "Skipped empty.csv: it is empty" in output


def test_a_single_landing_is_for_the_blob_trigger(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x")
    landing = Landing(tmp_path / "a.csv", "a.csv")
    assert split_by_trigger(Fleet([landing], tmp_path), print) == ([landing], [])


def sensor(name, anomalies, status="scored", reason=None):
    values = {"readings": 1720, "anomalies": anomalies, "worst": -0.0649 if anomalies else None}
    return {"device": "1", "sensor": name, "status": status, "reason": reason, **values}


def results(folder, summary, state=RunState.SUCCEEDED, error=None):
    """The results of a run of one blob."""
    record = RunRecord(
        run=folder.name,
        cause=Cause(CauseKind.BLOB, "a.csv"),
        state=state,
        published="v1",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        error=error,
    )
    return Results(record, folder, ["a.csv"], summary)


def test_a_mapping_that_a_run_suggests_is_given_as_make_takes_it(tmp_path):
    reason = 'a.csv: no column TS; --mapping "ts=Zeit wide" reads it'
    summary = {"landings": [{"name": "a.csv", "status": "unreadable", "reason": reason}]}
    found = results(tmp_path, summary, RunState.FAILED, f"collect: {reason}")
    assert found.problems == ['a.csv: unreadable, no column TS; MAPPING="ts=Zeit wide" reads it']
    assert found.error == 'collect: a.csv: no column TS; MAPPING="ts=Zeit wide" reads it'


def test_a_failed_run_without_a_summary_says_why(tmp_path):
    failed = results(tmp_path, {}, RunState.FAILED, "collect: no space left")
    assert failed.problems == ["collect: no space left"]
    assert (failed.anomalous, failed.is_complete, failed.what) == ([], False, "a.csv")


@pytest.mark.parametrize(
    ("readings", "state", "last"),
    [
        (0, RunState.SUCCEEDED, "There were no readings to score, in 3 s."),
        (5, RunState.SUCCEEDED, "Everything was scored, in 3 s."),
        (5, RunState.PARTLY, "Not everything was scored, in 3 s."),
    ],
)
def test_the_last_line_says_whether_there_was_something_to_score(tmp_path, capsys, readings, state, last):
    found = results(tmp_path, {"totals": {"readings": readings}}, state, "why")
    assert print_end([found], 3.0, print) == int(state is RunState.PARTLY)
    assert capsys.readouterr().out == f"{last}\n"


def test_who_has_scored_their_own_readings_is_not_asked_to_do_so():
    assert next_step(is_own=False).endswith("make run DATA=... MODELS=...   scores your own readings")
    assert next_step(is_own=True) == "Next:         make start   keeps the app running"


def test_the_page_lists_every_run_in_the_folder(tmp_path):
    for name, state in (("first", RunState.SUCCEEDED), ("second", RunState.FAILED)):
        (tmp_path / name).mkdir()
        record = results(tmp_path / name, {}, state).record
        (tmp_path / name / "record.json").write_bytes(record.to_bytes())
    (tmp_path / "fetched").mkdir()
    totals = {"readings": 2, "scored": 2, "rejected": 0}
    document = {"version": 1, "run": "fetched", "totals": totals, "sensors": [], "landings": []}
    (tmp_path / "fetched" / "summary.json").write_text(json.dumps(document))
    (tmp_path / "notes").mkdir()
    write_page(tmp_path, LastSweep(None, timedelta(hours=3)), "fleet.html")
    page = (tmp_path / "index.html").read_text()
    assert 'href="fleet.html"' in page
    assert "3 runs: 1 failed, 2 succeeded" in page
    assert all(name in page for name in ("first", "second", "fetched"))


def test_the_table_lists_sensors_with_anomalies_most_anomalies_first(tmp_path):
    sensors = [sensor("1", 0), sensor("2", 3), sensor("3", 11)]
    assert list(table(results(tmp_path, {"sensors": sensors, "landings": []}).anomalous)) == [
        "  device  sensor  readings  anomalies  share  worst score",
        "  1       3       1,720     11         0.6%   -0.0649",
        "  1       2       1,720     3          0.2%   -0.0649",
    ]


def test_the_table_shows_a_score_of_minus_infinity():
    assert list(table([sensor("1", 1) | {"worst": "-Infinity"}]))[-1].endswith("0.1%   -inf")


def test_there_is_no_table_without_sensors():
    assert list(table([])) == []


def test_a_long_table_ends_with_the_number_of_omitted_sensors():
    assert list(table([sensor(str(number), 1) for number in range(1_025)]))[-1] == (
        "  ... and 1,005 more: see summary.csv"
    )


def test_landings_and_sensors_that_were_not_scored_are_problems(tmp_path):
    sensors = [sensor("1", 0), sensor("2", 0, "failed", "the model is broken"), sensor("3", 0, "no-model")]
    landings = [
        {"name": "a.csv", "status": "read", "reason": None},
        {"name": "b.csv", "status": "vanished", "reason": None},
        {"name": "c.csv", "status": "unreadable", "reason": "c.csv: no column Value"},
    ]
    assert results(tmp_path, {"sensors": sensors, "landings": landings}).problems == [
        "b.csv: vanished",
        "c.csv: unreadable, no column Value",
        "sensor 1/2: failed, the model is broken",
        "sensor 1/3: no-model",
    ]


def test_every_marked_process_is_killed_even_in_another_session():
    mark = uuid.uuid4().hex
    sleep = "import time; time.sleep(600)"
    marked = subprocess.Popen([sys.executable, "-c", sleep], env={MARK: mark}, start_new_session=True)
    other = subprocess.Popen([sys.executable, "-c", sleep], env={MARK: "other"})
    try:
        assert kill_marked(mark) == 1
        marked.wait(5)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
