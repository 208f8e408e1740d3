"""`report` and `runs --html`: what a person sees of runs in a browser, asked for on the command line."""

import json
import sys
import webbrowser
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.clock import utc_now
from pipeline.engine import StepState, StepStatus
from pipeline.engines import open_engine
from pipeline.flow.context import Context
from pipeline.pages.report import facts, write_report
from pipeline.published.publish import publish
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.runs.store import Runs
from scoring.report.facts import RunFacts
from tests.pipeline import small_fleet
from tests.pipeline.conftest import until

pytestmark = pytest.mark.usefixtures("measured")

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def here(environment, store, monkeypatch, tmp_path):
    """A working directory of its own, and an environment that leads to the four containers."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """Addresses that were opened in a browser."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


@pytest.fixture
def made(store):
    """Runs as they stand in storage, made without an engine."""
    runs = Runs(store, utc_now)

    def make(run: str, state: RunState, **changes) -> RunRecord:
        cause = Cause(CauseKind.BLOB, f"{HOSTILE}.csv")
        pending = RunRecord(run=run, cause=cause, state=RunState.PENDING, published="v1", created=utc_now())
        record = runs.create(pending)
        return record if state is RunState.PENDING else runs.advance(record, state, **changes)

    return make


def text_of(page: Path) -> str:
    return unescape(page.read_text())


def test_the_report_of_a_real_run_is_written_again_with_what_is_known_of_it(
    here, settings, store, opened, capsys
):
    context = Context(settings, store, open_engine(settings, store, Runs(store, utc_now)), utc_now)
    for name, data in small_fleet.models().items():
        store.models.put(name, data)
    version = publish(context.store, context.settings, context.engine).published.version
    store.data.put("site-a.csv", small_fleet.readings())
    assert main(["submit", "site-a.csv", "--run", "august"]) == 0
    until(lambda: context.runs.load("august").state.final)
    collected = store.preds.read("august/report.html").data.decode()
    assert "requested manually" not in collected
    assert main(["report", "august", "--open"]) == 0
    report = here / "out" / "august" / "report.html"
    text = text_of(report)
    for fact in ("requested manually: site-a.csv", ">4 steps<", version, "Run took"):
        assert fact in text, fact
    assert '"exact":true' in collected
    assert text.count('"exact":true') == collected.count('"exact":true'), "boundaries are those of the models"
    assert (here / "out" / "august" / "preds_1_1.csv").is_file()
    assert opened == [report.as_uri()]
    assert capsys.readouterr().out.splitlines()[-1] == "11 files -> out/august; open out/august/report.html"


def test_results_are_downloaded_by_a_short_name_as_they_are(here, made, store, capsys):
    made("august-1x", RunState.SUCCEEDED)
    made("august-2x", RunState.RUNNING)
    Runs(store, utc_now).markers.create("august-2x")
    for name in ("summary.json", "preds_1_3.csv", "_steps/score_1_3.json", "_SUCCESS"):
        store.preds.put(f"august-1x/{name}", name.encode())
    assert main(["download", "august-1"]) == 0
    folder = here / "out" / "august-1x"
    assert {path.name for path in folder.iterdir()} == {"summary.json", "preds_1_3.csv", "_SUCCESS"}
    assert (folder / "preds_1_3.csv").read_text() == "preds_1_3.csv"
    out, err = capsys.readouterr()
    assert out == "3 files -> out/august-1x\n"
    assert err.startswith("downloading 3 files, 0.0 MB ...\n")
    assert main(["download", "latest"]) == 1
    assert capsys.readouterr().err == (
        "error: run august-2x is running: it has no results yet; "
        "python -m pipeline watch august-2x follows it\n"
    )
    assert main(["download", "august"]) == 2
    assert "several runs start with 'august': august-1x, august-2x" in capsys.readouterr().err


def test_an_unfinished_run_is_downloaded_with_an_error_that_says_so(here, made, store, capsys):
    made("august", RunState.RUNNING)
    store.preds.put("august/preds_1_3.csv", b"TS")
    assert main(["download", "august", "--out", "elsewhere"]) == 1
    assert (here / "elsewhere" / "august" / "preds_1_3.csv").is_file()
    assert "error: run august is running: its results are incomplete" in capsys.readouterr().err


def test_a_run_that_failed_before_anything_was_summed_up_has_a_report_that_says_why(here, made, opened):
    made("blob-1", RunState.FAILED, error=f"cannot start a worker: {HOSTILE}")
    assert main(["report", "blob-1"]) == 0
    page = here / "out" / "blob-1" / "report.html"
    assert "The run failed before it wrote a summary" in text_of(page)
    assert f"cannot start a worker: {HOSTILE}" in text_of(page)
    assert HOSTILE not in page.read_text()
    assert opened == []


def test_the_process_that_writes_a_report_gets_no_setting_and_no_secret(made, monkeypatch, tmp_path):
    seen, python = tmp_path / "environment", tmp_path / "python"
    program = f"import json, os\nopen({str(seen)!r}, 'w').write(json.dumps(dict(os.environ)))\n"
    python.write_text(f"#!{sys.executable}\n{program}")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("ScoringStorage", "secret")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "secret")
    write_report(made("blob-1", RunState.FAILED), [], tmp_path)
    assert "secret" not in json.loads(seen.read_text()).values()


@pytest.mark.parametrize("state", [RunState.PENDING, RunState.RUNNING])
def test_an_unfinished_run_has_a_report_that_says_so(here, made, capsys, state):
    made("blob-1", state)
    assert main(["report", "blob-1"]) == 1
    page = text_of(here / "out/blob-1/report.html")
    assert "still running" in page or state is RunState.PENDING
    assert "Follow it, and fetch its report" in page
    assert "sweep" not in page
    assert capsys.readouterr() == (
        "its state: open out/blob-1/report.html\n",
        f"error: run blob-1 is {state}: it has no results yet; python -m pipeline watch blob-1 follows it\n",
    )


def test_a_canceled_run_has_a_report_that_says_how_to_score_its_landings(here, made, capsys):
    made("blob-1", RunState.CANCELED)
    assert main(["report", "blob-1"]) == 0
    page = text_of(here / "out/blob-1/report.html")
    assert "No sweep scores its landings again" in page
    assert "python -m pipeline submit NAME --again" in page
    assert "The next sweep retries" not in page
    assert capsys.readouterr() == (
        "run blob-1 is canceled: it has no results; open out/blob-1/report.html\n",
        "",
    )


def test_a_run_whose_results_were_removed_has_a_report_that_says_so(here, made, capsys):
    made("blob-1", RunState.SUCCEEDED)
    assert main(["report", "blob-1"]) == 0
    page = text_of(here / "out/blob-1/report.html")
    assert "The results of the run have been removed" in page
    assert "python -m pipeline submit NAME --again" in page
    assert main(["download", "blob-1"]) == 1
    assert capsys.readouterr().err.endswith("run blob-1 is succeeded: its results have been removed\n")


def test_a_damaged_summary_is_reported_in_one_line(here, made, store, capsys):
    made("blob-1", RunState.SUCCEEDED)
    store.preds.put("blob-1/summary.json", b"{")
    assert main(["report", "blob-1"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: python -m scoring report: ")
    assert err.count("\n") == 1
    assert "collect it again" in err


def test_an_engine_that_cannot_be_asked_any_more_costs_the_report_only_its_steps(
    here, made, azureml_settings, monkeypatch, capsys
):
    made("blob-1", RunState.FAILED, error="out of quota")
    monkeypatch.setenv("SCORING_ENGINE", "azureml")
    monkeypatch.setenv("AZUREML_COMPUTE", azureml_settings.azureml.compute)
    monkeypatch.setenv("AZUREML_WORKSPACE_NAME", "gone")
    assert main(["report", "blob-1"]) == 0
    assert "does not show the steps" in capsys.readouterr().err
    assert "out of quota" in text_of(here / "out/blob-1/report.html")


def test_the_facts_are_those_that_a_report_reads(tmp_path):
    began = utc_now()
    record = RunRecord(
        run="timer-20261123-050000-2", cause=Cause(CauseKind.TIMER, "2026-11-23T05:00:00+00:00"),
        state=RunState.PARTLY, published="v1", created=began, started=began + timedelta(seconds=1),
        ended=began + timedelta(seconds=41.5), tries=2, error="sensor 1/1 failed",
    )  # fmt: skip
    steps = [
        StepStatus(name="score_1_1", state=StepState.FAILED, error="killed"),
        StepStatus(name="collect", state=StepState.SUCCEEDED),
    ]
    (tmp_path / "facts.json").write_text(json.dumps(facts(record, steps)))
    read = RunFacts.read(tmp_path / "facts.json")
    assert (read.run, read.state, read.published, read.tries) == (record.run, "partly", "v1", 2)
    assert read.cause == "a sweep by the timer at 2026-11-23 05:00:00 UTC"
    assert read.seconds == 41.5
    assert read.steps == "1 of 2 steps succeeded"
    assert [(each.step, each.state, each.error) for each in read.troubles] == [
        ("score_1_1", "failed", "killed")
    ]
    assert facts(record, [])["steps"] is None


def test_runs_are_written_as_a_page(here, made, opened, capsys):
    made("blob-1", RunState.FAILED, error=HOSTILE)
    made("blob-2", RunState.RUNNING)
    assert main(["runs", "--html", "--open"]) == 0
    page = here / "out" / "index.html"
    text = text_of(page)
    assert "2 runs: 1 failed, 1 running" in text
    assert text.find(">blob-2<") < text.find(">blob-1<")
    assert HOSTILE not in page.read_text()
    assert opened == [page.as_uri()]
    assert capsys.readouterr().out == "2 runs -> out/index.html\n"


def test_a_page_without_runs_says_so_and_can_have_another_name(here):
    assert main(["runs", "--html", "some/where.html"]) == 0
    assert "No run yet" in text_of(here / "some" / "where.html")


@pytest.mark.parametrize("wrong", [["--open"], ["--json", "--html", "x.html"]])
def test_what_cannot_be_shown_is_a_usage_error(here, wrong, capsys):
    try:
        code: object = main(["runs", *wrong])
    except SystemExit as left:
        code = left.code
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1
