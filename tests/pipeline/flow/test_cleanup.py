"""Cleaning up: what old runs left goes, and nothing is scored again for it."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli import main
from pipeline.flow.cleanup import old_runs, remove
from pipeline.flow.context import Context
from pipeline.flow.manual import Request, submit_manual
from pipeline.flow.recover import recover
from pipeline.flow.submit import Outcome, submit_landing
from pipeline.flow.sweep import sweep
from pipeline.runs.record import RunState
from pipeline.storage.account import Store
from tests.pipeline.counting import CountingTransport

COUNTS = {"scored": 1, "anomalies": 0, "sensors": 1, "sensors_failed": 0, "sensors_missing": 0}
AGE = timedelta(days=30)


def scored(context, name, content=b"TS"):
    """The name of a finished run that scored this blob, with all the blobs of such a run."""
    context.store.data.put(name, content)
    run = submit_landing(context, name).run
    context.runs.advance(context.runs.load(run), RunState.SUCCEEDED, counts=COUNTS)
    for left in ("preds_1_3.csv", "summary.json", "_SUCCESS"):
        context.store.preds.put(f"{run}/{left}", b"left")
    context.store.runs.put(f"{run}/logs/score_1_3.txt", b"a log")
    return run


def clean_up(context):
    removals = list(old_runs(context, AGE, context.clock()))
    for removal in removals:
        remove(context, removal)
    return [removal.run for removal in removals]


def names(container, prefix=""):
    return {blob.name for blob in container.list(prefix)}


def claimed(context):
    return len(names(context.store.runs, "landings/"))


def test_a_landing_that_still_exists_is_remembered_and_not_scored_again(context, clock):
    run = scored(context, "a.csv")
    clock.move(days=31)
    assert clean_up(context) == [run]
    assert names(context.store.preds, run) == set()
    assert names(context.store.runs, f"{run}/") == {f"{run}/record.json", f"{run}/manifest.json"}
    assert claimed(context) == 1
    assert submit_landing(context, "a.csv").outcome is Outcome.ALREADY
    assert sweep(context, context.clock(), random_hex="000000").run is None
    assert context.engine.calls(run) == 1


@pytest.mark.parametrize("replaced", [False, True], ids=["gone", "replaced"])
def test_everything_of_a_deleted_landing_is_removed(context, clock, replaced):
    run = scored(context, "a.csv")
    if replaced:
        context.store.data.put("a.csv", b"other readings")
    else:
        context.store.data.delete("a.csv")
    clock.move(days=31)
    assert clean_up(context) == [run]
    assert names(context.store.preds, run) == names(context.store.runs, f"{run}/") == set()
    assert names(context.store.runs, "ended/") == set()
    assert claimed(context) == 0


def test_what_another_run_has_claimed_since_stays_claimed(context, clock):
    run = scored(context, "a.csv")
    (claim,) = names(context.store.runs, "landings/")
    context.store.runs.put(claim, b"manual-20261201-000000-abcdef")
    context.store.data.delete("a.csv")
    clock.move(days=31)
    assert clean_up(context) == [run]
    assert claimed(context) == 1


def test_nothing_remains_of_a_run_that_claimed_nothing(context, clock):
    context.store.data.put("a.csv", b"TS")
    run = str(submit_manual(context, Request(), again=True, random_hex="3fa94c").run)
    context.runs.advance(context.runs.load(run), RunState.SUCCEEDED, counts=COUNTS)
    clock.move(days=31)
    assert clean_up(context) == [run]
    assert names(context.store.runs, f"{run}/") == set()
    assert names(context.store.data) == {"a.csv"}


def test_a_run_that_waits_for_its_next_try_keeps_all_that_it_needs(context, clock):
    context.store.data.put("a.csv", b"TS")
    run = str(submit_landing(context, "a.csv").run)
    context.runs.advance(context.runs.load(run), RunState.FAILED, retry=True)
    context.store.data.delete("a.csv")
    clock.move(days=31)
    assert clean_up(context) == []
    assert sweep(context, context.clock(), random_hex="000000").recovered.retried == 1


def test_one_that_never_started_is_removed_too(context, clock):
    context.runs.markers.create("blob-1")
    recover(context, datetime.now(UTC) + timedelta(hours=1))
    assert context.runs.load("blob-1").state is RunState.EMPTY
    clock.move(days=31)
    assert clean_up(context) == ["blob-1"]


def test_readings_models_and_young_or_open_runs_are_not_touched(context, clock):
    old = scored(context, "old.csv")
    clock.move(days=20)
    young = scored(context, "young.csv")
    context.store.data.put("open.csv", b"TS")
    submit_landing(context, "open.csv")
    clock.move(days=20)
    store = context.store
    untouched = [(store.data, ""), (store.models, ""), (store.preds, young), (store.runs, young)]
    before = [names(container, prefix) for container, prefix in untouched]
    assert clean_up(context) == [old]
    assert [names(container, prefix) for container, prefix in untouched] == before
    assert len(names(store.runs, "open/")) == 1


def test_blobs_that_stand_for_folders_are_removed_after_their_content(context, clock):
    """A mount of Azure ML leaves one for each folder, the run's own among them."""
    run = scored(context, "a.csv")
    for folder in (run, f"{run}/_steps", f"{run}-2"):
        context.store.preds.put(folder, b"", metadata={"hdi_isfolder": "true"})
    context.store.preds.put(f"{run}/_steps/1_3.json", b"left")
    clock.move(days=31)
    (removal,) = old_runs(context, AGE, context.clock())
    assert removal.folders == (f"{run}/_steps", run)
    assert f"{run}/_steps/1_3.json" in removal.preds
    remove(context, removal)
    assert names(context.store.preds) == {f"{run}-2"}


def test_cleaning_up_again_finds_nothing(context, clock):
    scored(context, "a.csv")
    clock.move(days=31)
    clean_up(context)
    assert clean_up(context) == []


@pytest.mark.parametrize("finished", [2, 12])
def test_runs_that_have_nothing_to_remove_cost_no_requests(context, settings, clock, finished):
    """Neither those that were cleaned up and keep the claims of their landings, nor younger ones."""
    for number in range(finished):
        scored(context, f"old/{number}.csv")
    context.store.data.put("retried.csv", b"TS")
    retried = str(submit_landing(context, "retried.csv").run)
    context.runs.advance(context.runs.load(retried), RunState.FAILED, retry=True)
    assert sweep(context, None, random_hex="000000").recovered.retried == 1
    context.runs.advance(context.runs.load(f"{retried}-2"), RunState.SUCCEEDED, counts=COUNTS)
    sweep(context, None, random_hex="000001")
    clock.move(days=31)
    assert len(clean_up(context)) == finished + 2
    for number in range(finished):
        scored(context, f"young/{number}.csv")
    counting = CountingTransport()
    behind = Context(settings, Store.connect(settings, transport=counting), context.engine, clock)
    assert clean_up(behind) == []
    assert len(counting.requests) == 5  # markers, rows, predictions, documents of runs, landings
    behind.store.close()


def test_what_a_cleanup_kept_for_a_landing_goes_when_the_landing_has_gone(context, clock):
    run, other = scored(context, "a.csv"), scored(context, "b.csv")
    clock.move(days=31)
    clean_up(context)
    context.store.data.delete("a.csv")
    assert clean_up(context) == [run]
    assert names(context.store.runs, f"{run}/") == set()
    assert len(names(context.store.runs, f"{other}/")) == 2
    assert claimed(context) == 1


def test_a_finished_run_that_is_not_on_the_page_of_runs_is_cleaned_up_too(context, clock):
    run = scored(context, "a.csv")
    for row in names(context.store.runs, "ended/"):
        context.store.runs.delete(row)
    context.store.runs.put("ended/other", b"")
    context.store.runs.put("broken/record.json", b"{")
    assert clean_up(context) == []
    clock.move(days=31)
    assert clean_up(context) == [run]
    assert names(context.store.preds, run) == set()


def test_one_that_was_interrupted_looks_unfinished_and_is_found_again(context, clock):
    run = scored(context, "a.csv")
    context.store.data.delete("a.csv")
    clock.move(days=31)
    (removal,) = old_runs(context, AGE, context.clock())
    context.store.preds.delete(f"{run}/_SUCCESS")  # the first thing to go
    assert [again.run for again in old_runs(context, AGE, context.clock())] == [run]
    remove(context, removal)
    assert names(context.store.preds, run) == names(context.store.runs, f"{run}/") == set()


@pytest.mark.usefixtures("here")
class TestTheCommand:
    def test_it_prints_a_line_per_run_and_a_dry_run_removes_nothing(self, context, capsys):
        run = scored(context, "a.csv")
        context.store.data.delete("a.csv")
        assert main(["cleanup", "--older-than", "0h", "--dry-run"]) == 0
        line = f"{run}: 3 blobs of predictions, 5 of the run\n"
        assert capsys.readouterr().out == f"{line}would clean up 1 run\n"
        assert len(names(context.store.preds, run)) == 3
        assert main(["cleanup", "--older-than", "0h"]) == 0
        assert capsys.readouterr().out == f"{line}cleaned up 1 run\n"
        assert names(context.store.preds) == {"index.html"}

    def test_it_keeps_younger_runs(self, context, clock, capsys):
        clock.now = datetime.now(UTC) - timedelta(hours=11)
        scored(context, "a.csv")
        assert main(["cleanup", "--older-than", "12h"]) == 0
        assert capsys.readouterr().out == "cleaned up 0 runs\n"

    @pytest.mark.parametrize("age", ["30", "d", "1w", "-1d", "1.5d", ""])
    @pytest.mark.usefixtures("store")
    def test_an_invalid_age_is_a_usage_error(self, age, capsys):
        assert main(["cleanup", f"--older-than={age}"]) == 2
        assert "expected hours or days, such as 12h or 90d" in capsys.readouterr().err
