"""The page of runs: it shows every finished run, and its errors harm no run."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dev.azurite import connection_string
from pipeline.clock import utc_now
from pipeline.errors import InvalidRunName, ReportError
from pipeline.flow.cleanup import old_runs, remove
from pipeline.flow.recover import recover
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from pipeline.pages import index
from pipeline.pages.index import update_index, write_page
from pipeline.runs import history, last
from pipeline.runs.last import last_sweep
from pipeline.runs.names import given_run
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.settings import Connection
from pipeline.storage.account import Store, in_parallel
from scoring.formats import INDEX_HTML
from tests.pipeline.conftest import until

LATE = timedelta(minutes=180)

BEGAN = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
COUNTS = {"scored": 720, "anomalies": 36, "sensors": 15, "sensors_failed": 1, "sensors_missing": 2}


def record(run="blob-1", state=RunState.PARTLY, minutes=1.0, **changes) -> RunRecord:
    return RunRecord(
        **{
            "run": run,
            "cause": Cause(CauseKind.BLOB, "2026/11/23/site-a.csv"),
            "state": state,
            "published": "v1",
            "created": BEGAN,
            "ended": BEGAN + timedelta(minutes=minutes),
            "counts": COUNTS,
            **changes,
        }
    )


def page(store) -> str:
    return unescape(store.preds.read(INDEX_HTML).data.decode())


def order(store, *runs) -> list[str]:
    """The runs as the page lists them."""
    places = {run: page(store).find(f">{run}<") for run in runs}
    return [run for run, place in sorted(places.items(), key=lambda each: each[1]) if place >= 0]


@pytest.mark.parametrize(
    ("kind", "detail", "sentence"),
    [
        (CauseKind.BLOB, "2018/a.csv", "2018/a.csv arrived"),
        (CauseKind.TIMER, "2026-11-23T06:00:00+01:00", "a sweep by the timer at 2026-11-23 05:00:00 UTC"),
        (CauseKind.TIMER, "noon", "a sweep by the timer at noon"),
        (CauseKind.MANUAL, "3 blobs", "requested manually: 3 blobs"),
        (CauseKind.RETRY, "blob-1", "blob-1 failed or lost steps, and is retried"),
    ],
)
def test_a_cause_is_shown_as_a_sentence(kind, detail, sentence):
    assert Cause(kind, detail).sentence == sentence


def test_a_finished_run_is_on_the_page_with_all_its_facts(store):
    history.add(store.runs, record(error="sensor 1/2 failed: no <b>model</b>"))
    update_index(store, LATE, utc_now())
    text = page(store)
    for fact in (
        "1 run: 1 partly scored",
        '<a href="blob-1/report.html">',
        "2026/11/23/site-a.csv arrived",
        "2026-11-23 05:00:00 UTC",
        "1 min",
        "720",
        "36<small>5.0 %",
        "15<small",
        "3 not scored",
        "no <b>model</b>",
    ):
        assert fact in text, fact
    assert b"<b>model</b>" not in store.preds.read(INDEX_HTML).data


def test_a_browser_shows_the_page_and_does_not_save_it(store):
    update_index(store, LATE, utc_now())
    client = store.preds._client.get_blob_client(INDEX_HTML)
    assert client.get_blob_properties().content_settings.content_type == "text/html"
    assert "No run yet" in page(store)


def test_the_run_that_ended_last_comes_first(store):
    for run, minutes in (("b", 2), ("a", 3), ("c", 1)):
        history.add(store.runs, record(run, minutes=minutes))
    update_index(store, LATE, utc_now())
    assert order(store, "a", "b", "c") == ["a", "b", "c"]


def test_the_page_omits_the_oldest_beyond_the_limit_and_says_so(store, monkeypatch):
    monkeypatch.setattr(index, "MOST_RUNS", 2)
    for minutes, run in enumerate("abc"):
        history.add(store.runs, record(run, minutes=minutes))
    update_index(store, LATE, utc_now())
    assert order(store, "a", "b", "c") == ["c", "b"]
    assert "The 2 runs that finished last." in page(store)


def test_a_run_without_a_summary_has_its_error_and_no_link(store):
    history.add(store.runs, record(state=RunState.FAILED, counts={}, error="cannot start a worker"))
    update_index(store, LATE, utc_now())
    assert "<a " not in page(store)
    assert "cannot start a worker" in page(store)


def test_a_run_that_is_noted_again_is_listed_once_and_the_page_stays_as_it_is(store):
    for _ in range(2):
        history.add(store.runs, record())
        update_index(store, LATE, utc_now())
    before = store.preds.find(INDEX_HTML)
    update_index(store, LATE, utc_now())
    assert store.preds.find(INDEX_HTML).etag == before.etag
    assert len(history.newest(store.runs, 10)) == 1


def test_an_unfinished_run_is_not_on_the_page(store):
    history.add(store.runs, record(state=RunState.RUNNING, ended=None))
    assert history.newest(store.runs, 10) == []


def test_rows_of_another_version_are_omitted(store):
    history.add(store.runs, record("old"))
    name = history.blob_name(record("old"))
    assert name is not None
    store.runs.put(name, b"", metadata={"version": "99", "row": "{}"})
    assert history.newest(store.runs, 10) == []


def test_a_row_as_it_was_first_stored_is_still_read(store):
    sample = Path(__file__).parents[1] / "samples" / "ended-1.txt"
    store.runs.put("ended/9999999999-x", b"", metadata={"version": "1", "row": sample.read_text().strip()})
    (row,) = history.newest(store.runs, 10)
    assert row["cause"].startswith("2026/11/23/site-a.csv")  # the sentence had other words then
    assert row == history.row(record()) | {"cause": row["cause"]}


texts = st.text(max_size=2000) | st.text("😀\U0010ffff", min_size=500, max_size=900)


@given(
    cause=texts,
    error=texts | st.none(),
    note=texts | st.none(),
    run=st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}", fullmatch=True),
)
@settings(max_examples=100)
def test_every_row_fits_into_the_metadata_of_a_blob(cause, error, note, run):
    written: dict[str, str] = {}

    class Noted:
        def put(self, _name: str, _data: bytes, *, metadata: dict[str, str]) -> None:
            written.update(metadata)

    history.add(Noted(), record(run, cause=Cause(CauseKind.BLOB, cause), error=error, note=note))  # type: ignore[arg-type]
    assert sum(len(name) + len(text) for name, text in written.items()) < 8192
    assert written["row"].isascii()
    assert written["row"].isprintable()


def test_names_from_data_come_out_of_storage_as_they_went_in(store):
    cause = Cause(CauseKind.BLOB, '"/ü\u2028  %25<script>alert(1)</script>\r\nx-ms-meta-a: b\ud800')
    history.add(store.runs, record(cause=cause))
    (row,) = history.newest(store.runs, 10)
    assert row["cause"] == cause.sentence
    update_index(store, LATE, utc_now())
    assert b"<script>alert" not in store.preds.read(INDEX_HTML).data


def test_the_folder_of_finished_runs_cannot_name_a_run():
    with pytest.raises(InvalidRunName):
        given_run("ended")


class TestManyAtOnce:
    def test_the_last_page_lists_every_run_in_any_order_of_writers(self, store, settings):
        def end(number: int) -> None:
            own = Store.connect(settings)
            history.add(own.runs, record(f"run-{number}", minutes=number))
            update_index(own, LATE, utc_now())
            own.close()

        in_parallel(end, range(8))
        assert len(order(store, *(f"run-{number}" for number in range(8)))) == 8

    def test_a_newer_page_of_another_writer_is_not_overwritten(self, store, monkeypatch):
        """Between our listing and our write another run ends, and its writer is faster."""
        history.add(store.runs, record("ours"))
        write, calls = index.write_index, []

        def slow(rows, *rest):
            calls.append([row["run"] for row in rows])
            if len(calls) == 1:
                history.add(store.runs, record("theirs", minutes=2))
                update_index(store, LATE, utc_now())
            write(rows, *rest)

        monkeypatch.setattr(index, "write_index", slow)
        update_index(store, LATE, utc_now())
        assert calls == [["ours"], ["theirs", "ours"]]
        assert order(store, "ours", "theirs") == ["theirs", "ours"]


class TestHarmless:
    def test_a_row_of_another_release_is_logged_in_one_line(self, store, monkeypatch, caplog):
        monkeypatch.setattr(history, "newest", lambda *_: [{"run": 1}])
        update_index(store, LATE, utc_now())
        (line,) = caplog.messages
        assert line.startswith(f"{store.preds.name}/index.html is not updated: Expected `str`, got `int`")

    def test_a_page_that_cannot_be_written_is_an_error_in_one_line(self, store, tmp_path):
        (tmp_path / "page.html").mkdir()
        with pytest.raises(ReportError, match=r"page\.html"):
            write_page(store, [record()], tmp_path / "page.html", LATE)

    def test_a_missing_preds_container_harms_no_run(self, store, caplog):
        store.preds._client.delete_container()
        update_index(store, LATE, utc_now())
        assert "is not updated" in caplog.text

    def test_storage_that_is_down_harms_no_run(self, settings, caplog):
        store = Store.connect(replace(settings, connection=Connection(connection_string(1))))
        update_index(store, LATE, utc_now())
        assert "is not updated" in caplog.text
        store.close()

    def test_a_run_finishes_even_if_it_cannot_be_added_to_the_page(self, context, store, clock, caplog):
        store.data.put("a.csv", b"TS")
        before = context.runs.load(submit_landing(context, "a.csv").run)
        name = history.blob_name(replace(before, ended=clock()))
        store.runs.put(name, b"")
        store.runs.lease(name, 15)  # storage refuses to write it
        over = context.runs.advance(before, RunState.SUCCEEDED)
        assert over.state is RunState.SUCCEEDED
        assert context.runs.markers.all() == []
        assert f"run {before.run} is not on the page of runs" in caplog.text


class TestWhoRenews:
    def test_a_sweep_that_finds_finished_runs_updates_the_page(self, context, store):
        store.data.put("a.csv", b"TS")
        run = submit_landing(context, "a.csv").run
        context.engine.say(run, state="partly", counts=COUNTS, error="sensor 1/2 failed")
        sweep(context, None, random_hex="3fa94c")
        assert f'<a href="{run}/report.html">' in page(store)
        before = store.preds.find(INDEX_HTML).etag
        sweep(context, None, random_hex="3fa94c")
        assert store.preds.find(INDEX_HTML).etag == before

    def test_a_run_whose_worker_died_before_it_noted_the_end_is_noted_by_the_sweep(self, context, store):
        store.data.put("a.csv", b"TS")
        run = submit_landing(context, "a.csv").run
        context.runs.advance(context.runs.load(run), RunState.SUCCEEDED, counts=COUNTS)
        store.runs.delete(history.blob_name(context.runs.load(run)))
        context.runs.markers.create(run)
        recover(context, datetime.now(UTC))
        assert [row["run"] for row in history.newest(store.runs, 10)] == [run]

    def test_the_local_engine_updates_the_page_when_a_run_finishes(self, fleet):
        fleet.models(s1_1="score")
        fleet.publish()
        run = fleet.score(fleet.land("a.csv", "1_1")).run
        until(lambda: fleet.context.store.preds.exists(INDEX_HTML))
        assert "a.csv arrived" in page(fleet.context.store)
        assert f'<a href="{run}/report.html">' in page(fleet.context.store)

    def test_a_run_that_is_cleaned_up_is_removed_from_the_page(self, context, store):
        store.data.put("a.csv", b"TS")
        run = submit_landing(context, "a.csv").run
        over = context.runs.advance(context.runs.load(run), RunState.SUCCEEDED, counts=COUNTS)
        store.preds.put(f"{run}/_SUCCESS", b"")
        for removal in old_runs(context, timedelta(0), over.ended + timedelta(seconds=1)):
            remove(context, removal)
        assert history.newest(store.runs, 10) == []


def test_a_page_in_a_file_has_the_reports_beside_it(store, tmp_path):
    records = [
        record("new", state=RunState.RUNNING, ended=None, counts={}),
        record("over"),
        record("cleaned-up"),
    ]
    store.preds.put("over/report.html", b"the report")
    write_page(store, records, tmp_path / "out" / "runs.html", LATE)
    text = (tmp_path / "out" / "runs.html").read_text()
    assert "3 runs: 2 partly scored, 1 running" in text
    assert '<a href="over/report.html">' in text
    assert text.count("<a ") == 1
    assert (tmp_path / "out" / "over" / "report.html").read_bytes() == b"the report"


def test_a_page_in_a_file_has_the_page_of_the_fleet_beside_it(store, tmp_path):
    index = tmp_path / "out" / "index.html"
    write_page(store, [record()], index, LATE)
    assert "fleet.html" not in index.read_text()
    assert not (tmp_path / "out" / "fleet.html").exists()
    for page in (b"the fleet", b"the fleet of today"):
        store.preds.put("fleet.html", page)
        write_page(store, [record()], index, LATE)
        assert 'href="fleet.html"' in index.read_text()
        assert (tmp_path / "out" / "fleet.html").read_bytes() == page
    with pytest.raises(ReportError, match="give another"):
        write_page(store, [record()], tmp_path / "out" / "fleet.html", LATE)
    assert (tmp_path / "out" / "fleet.html").read_bytes() == page


def test_a_report_older_than_the_end_of_its_run_is_downloaded_again(store, tmp_path):
    over = record("over")
    path = tmp_path / "over" / "report.html"
    path.parent.mkdir()
    path.write_bytes(b"it is running")
    store.preds.put("over/report.html", b"the report")
    assert over.ended
    early, late = over.ended.timestamp() - 1, over.ended.timestamp() + 1
    os.utime(path, (late, late))
    write_page(store, [over], tmp_path / "runs.html", LATE)
    assert path.read_bytes() == b"it is running"
    os.utime(path, (early, early))
    write_page(store, [over], tmp_path / "runs.html", LATE)
    assert path.read_bytes() == b"the report"


def swept_at(store) -> datetime:
    finished = last_sweep(store.runs, LATE).finished
    assert finished
    return finished


def test_the_page_says_when_the_last_sweep_finished(store, context):
    history.add(store.runs, record())
    sweep(context, None, random_hex="3fa94c")
    update_index(store, LATE, utc_now())
    assert f"Last sweep: {swept_at(store):%Y-%m-%d %H:%M:%S} UTC" in page(store)
    assert '"late_after_seconds":10800.0' in page(store)


def test_a_sweep_renews_a_page_that_would_soon_call_it_late_and_no_other(store, context):
    history.add(store.runs, record())
    update_index(store, LATE, utc_now())
    assert "Last sweep" not in page(store)
    sweep(context, None, random_hex="3fa94c")
    first = store.preds.find(INDEX_HTML).etag
    assert "Last sweep" in page(store)
    until(lambda: datetime.now(UTC) - swept_at(store) > timedelta(seconds=1))  # by storage's clock
    sweep(context, None, random_hex="3fa94d")
    assert store.preds.find(INDEX_HTML).etag == first
    until(lambda: datetime.now(UTC) - swept_at(store) > timedelta(seconds=2))
    last.note(store.runs, last.SWEEP)
    update_index(store, timedelta(seconds=3), utc_now(), runs_ended=False)
    assert store.preds.find(INDEX_HTML).etag != first


def test_a_page_that_shows_a_damaged_time_is_made_again(store, context):
    history.add(store.runs, record())
    sweep(context, None, random_hex="3fa94c")
    update_index(store, LATE, utc_now())
    never = ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59+00:00")  # the second one is no sweep so far
    for damaged in ("yesterday", "2026-11-28T05:00:00", *never):
        store.preds.annotate(INDEX_HTML, {"swept": damaged})
        update_index(store, LATE, utc_now(), runs_ended=False)
        assert store.preds.find(INDEX_HTML).metadata["swept"] == swept_at(store).isoformat()


def test_a_sweep_creates_no_page_before_a_run_has_finished(store, context):
    sweep(context, None, random_hex="3fa94c")
    assert not store.preds.exists(INDEX_HTML)
