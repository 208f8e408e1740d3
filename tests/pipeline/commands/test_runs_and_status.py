"""What `runs` and `status` say of runs that need attention, and that looking changes nothing."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.clock import utc_now
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.runs.store import Runs
from scoring.formats import SUMMARY_JSON
from tests.pipeline import small_fleet


@pytest.fixture
def runs(here, store):
    del here
    return Runs(store, utc_now)


def made(runs, run, state, **changes):
    """A finished run of one blob."""
    cause = Cause(CauseKind.BLOB, "a.csv")
    pending = RunRecord(run=run, cause=cause, state=RunState.PENDING, published="v1", created=utc_now())
    runs.markers.create(run)
    return runs.advance(runs.create(pending), state, **changes)


def summarized(runs, run):
    """Store a summary with rejects, and with sensors of every kind."""
    rows = [
        ("1", "scored", 0),
        ("2", "failed", 0),
        ("3", "scored", 4),
        ("4", "missing", 0),
        ("5", "scored", 9),
        ("6", "silent", 0),
        ("7", "no-readings", 0),
    ]
    sensors = [
        {"device": "1", "sensor": name, "status": status, "reason": None, "readings": 10, "anomalies": count}
        for name, status, count in rows
    ]
    document = {
        "version": 1,
        "run": run,
        "state": "partly",
        "reasons": ["1,987 of 1,999 rows were rejected"],
        "rejects": [{"kind": "value", "count": 1987, "file": "a.csv", "line": 2, "hint": "decimal comma?"}],
        "totals": {"readings": 50, "scored": 30, "rejected": 1987},
        "sensors": sensors,
        "landings": [],
    }
    runs.store.preds.put(f"{run}/{SUMMARY_JSON}", json.dumps(document).encode())


def test_runs_shows_rejected_rows_and_why_a_run_did_not_succeed(runs, capsys):
    counts = {"scored": 12, "rejected": 1987}
    made(runs, "first", RunState.PARTLY, error="1,987 of 1,999 rows were rejected", counts=counts)
    made(runs, "second", RunState.SUCCEEDED, note="b.csv was deleted before it was read")
    assert main(["runs"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert "REJECTED" in head
    first, second = sorted(row for row in rows if row.startswith(("first ", "second ")))
    assert "1,987  " in first
    assert first.endswith("1,987 of 1,999 rows were rejected")
    assert second.endswith("b.csv was deleted before it was read")


def test_runs_and_status_say_the_same_time_that_a_run_took(runs, capsys):
    created = utc_now() - timedelta(seconds=90)
    pending = RunRecord(
        run="slow",
        cause=Cause(CauseKind.BLOB, "a.csv"),
        state=RunState.PENDING,
        published="v1",
        created=created,
    )
    runs.markers.create("slow")
    times = {"started": created + timedelta(seconds=50), "ended": created + timedelta(seconds=61)}
    runs.advance(runs.create(pending), RunState.SUCCEEDED, **times)
    assert main(["runs"]) == 0
    assert "  1 min 1 s  " in capsys.readouterr().out
    assert main(["status", "slow"]) == 0
    assert "took       1 min 1 s\n" in capsys.readouterr().out


def test_status_shows_counts_that_say_something(runs, capsys):
    counts = {"readings": 12, "scored": 12, "rejected": 0, "anomalies": 0, "models_without_readings": 0}
    made(runs, "first", RunState.SUCCEEDED, counts=counts)
    assert main(["status", "first"]) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines()[5:]] == [
        ["readings", "12"],
        ["scored", "12"],
        ["rejected", "0"],
        ["anomalies", "0"],
    ]


def test_settings_of_notifications_that_cannot_be_read_are_a_usage_error(runs, capsys, tmp_path):
    del runs
    assert main(["notify", "--set", str(tmp_path / "nothing.json")]) == 2
    assert "nothing.json cannot be read (No such file or directory)" in capsys.readouterr().err


def test_status_shows_what_needs_attention(runs, capsys):
    made(
        runs,
        "first",
        RunState.PARTLY,
        error="1,987 of 1,999 rows were rejected",
        retry=True,
        missing=("1_4",),
    )
    summarized(runs, "first")
    assert main(["status", "first"]) == 0
    out = capsys.readouterr().out
    assert "partly: 1,987 of 1,999 rows were rejected" in out
    assert "next       first-2 scores what is missing (1 sensor); the next sweep submits it" in out
    assert "value     1,987  a.csv line 2  decimal comma?" in out
    sensors = [line.split()[:2] for line in out.splitlines() if line.startswith("1/")]
    unscored, silent = [["1/2", "failed"], ["1/4", "missing"]], [["1/6", "silent"]]
    assert sensors == [*unscored, *silent, ["1/5", "scored"], ["1/3", "scored"]]


def test_status_of_a_run_that_was_tried_again_names_the_next_try_and_its_state(runs, capsys):
    made(runs, "first", RunState.PARTLY, error="1/4 is missing", retry=True, missing=("1_4",))
    runs.markers.delete("first")  # a sweep has submitted the next try, or the run was canceled
    assert main(["status", "first"]) == 0
    assert "next " not in capsys.readouterr().out
    made(runs, "first-2", RunState.SUCCEEDED)
    assert main(["status", "first"]) == 0
    assert "next       first-2 tried it again: succeeded" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["status", "watch"])
def test_a_canceled_run_says_how_its_landings_are_scored(runs, capsys, command):
    made(runs, "first", RunState.CANCELED)
    main([command, "first"])
    output = " ".join("".join(capsys.readouterr()).split())
    assert "its landings stay claimed: python -m pipeline submit NAME --again scores them" in output


def publish(store, capsys):
    for name, content in small_fleet.models().items():
        store.models.put(name, content)
    assert main(["publish"]) == 0
    capsys.readouterr()


@pytest.fixture
def seconds(monkeypatch):
    """What happens in each second that `watch` waits."""
    events: list[Any] = []
    monkeypatch.setattr(time, "sleep", lambda _: events.pop(0)() if events else None)
    return events


@pytest.mark.parametrize("given", ["latest", "blob-00"])
def test_watch_waits_for_a_run_that_a_trigger_is_about_to_make(runs, capsys, seconds, given):
    publish(runs.store, capsys)
    seconds += [lambda: None, lambda: made(runs, "blob-00ab", RunState.SUCCEEDED)]
    assert main(["watch", given]) == 0
    out, err = capsys.readouterr()
    assert out == "blob-00ab: succeeded\n"
    assert err == "waiting 60 s for the run ...\n"


def test_watch_says_what_to_do_where_no_run_is_made(runs, capsys, seconds):
    del seconds
    assert main(["watch", "latest"]) == 1
    assert capsys.readouterr().err == "error: no pipeline is published: run python -m pipeline publish\n"
    publish(runs.store, capsys)
    assert main(["watch", "latest"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: no runs yet: upload readings; python")


@pytest.mark.parametrize("command", ["status", "report", "download", "cancel"])
def test_before_the_first_run_latest_says_what_to_do(runs, capsys, command):
    del runs
    assert main([command, "latest"]) == 1
    assert capsys.readouterr().err.startswith("error: no runs yet: upload readings; python -m pipeline sweep")


def test_status_names_a_deleted_blob(runs, capsys):
    made(runs, "first", RunState.SUCCEEDED, note="b.csv was deleted before it was read")
    assert main(["status", "first"]) == 0
    assert "note       b.csv was deleted before it was read" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["status", "watch", "report"])
def test_a_summary_that_cannot_be_read_is_reported_in_one_line(runs, capsys, command):
    made(runs, "first", RunState.SUCCEEDED)
    runs.store.preds.put(f"first/{SUMMARY_JSON}", b"{")
    main([command, "first"])
    assert "Traceback" not in capsys.readouterr().err


def test_looking_changes_nothing_in_storage(runs, tmp_path):
    for run, retry in (("first", True), ("second", False)):
        made(runs, run, RunState.FAILED, error="no disk", retry=retry)
    summarized(runs, "first")

    def contents():
        containers = (runs.store.runs, runs.store.preds, runs.store.data)
        return {(one.name, blob.name): blob.etag for one in containers for blob in one.list()}

    before = contents()
    for command in (["runs"], ["runs", "--html", str(tmp_path / "page.html")]):
        assert main(command) == 0
    for run in ("first", "second"):
        assert main(["status", run]) == 0
        assert main(["watch", run]) == 1
    assert main(["report", "second", "--out", str(tmp_path)]) == 0
    assert contents() == before
