"""What a report shows of the run itself: why, when, and what went wrong where there is no summary."""

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import ScoringError
from scoring.formats import LandingStatus
from scoring.report.facts import RunFacts, Trouble
from scoring.report.findings import infer_cause
from scoring.report.folder import LandingRow
from scoring.report.page import write_report
from tests.scoring.report.finished_runs import MadeRun, MadeSensor, landing, normal, with_spikes

LANDINGS = [LandingRow("2026/01/01/site-a.csv", LandingStatus.READ, None, 1, 0)]


class Words(HTMLParser):
    """The texts of a page outside its scripts and styles, and its tags."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self._inside = ""
        self._words: list[str] = []
        self.feed(page.read_text())
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self._inside = tag
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in {"script", "style"}:
            self._words.append(data)


def charts(page: Path) -> list[dict[str, object]]:
    text = page.read_text().partition('id="data">')[2].partition("</script>")[0]
    found: list[dict[str, object]] = json.loads(text)["charts"]
    return found


@pytest.mark.parametrize(
    ("run", "landings", "cause"),
    [
        ("blob-0123456789abcdef0123456789abcdef", LANDINGS, "2026/01/01/site-a.csv arrived"),
        ("blob-0123456789abcdef0123456789abcdef-2", LANDINGS, "2026/01/01/site-a.csv arrived; try 2"),
        ("blob-0123456789abcdef0123456789abcdef", LANDINGS * 2, "data arrived"),
        ("timer-20261123-050000", LANDINGS, "a sweep by the timer at 2026-11-23 05:00:00 UTC"),
        ("timer-20261123-050000-3", [], "a sweep by the timer at 2026-11-23 05:00:00 UTC; try 3"),
        ("manual-20261123-050000-3fa94c", [], "requested manually at 2026-11-23 05:00:00 UTC"),
        ("manual-20269999-999999-123456", [], "requested manually"),
        ("august", LANDINGS, None),
        ("", [], None),
        (None, [], None),
    ],
)
def test_the_cause_is_inferred_from_the_name_of_a_run(
    run: str | None, landings: list[LandingRow], cause: str | None
) -> None:
    assert infer_cause(run, landings) == cause


@given(st.text())
def test_no_name_of_a_run_breaks_the_page(run: str) -> None:
    cause = infer_cause(run, LANDINGS)
    assert cause is None or cause


def test_a_finished_run_shows_its_cause_time_and_pipeline(tmp_path: Path) -> None:
    facts = RunFacts(
        cause="requested manually: 3 blobs",
        state="partly",
        asked="2026-11-23T05:00:02Z",
        seconds=41.5,
        published="v5eb457d70e20992b",
        tries=2,
        error="sensor 1/1 failed",
        steps="2 of 3 steps succeeded",
        troubles=(Trouble("score_1_1", "failed", "killed: out of memory?"),),
    )
    folder = MadeRun([MadeSensor("1", "1", normal(20))], landings=[landing("a.csv")]).write(tmp_path)
    text = Words(write_report(folder, facts)).text
    for expected in (
        "requested manually: 3 blobs · partly · 2 of 3 steps succeeded · try 2 ·",
        "pipeline v5eb457d70e20992b",
        "42 s from 2026-11-23 05:00:02 UTC",
        "1 step was not completed. score_1_1 failed: killed: out of memory?",
    ):
        assert expected in text
    assert "sensor 1/1 failed" not in text, "the summary's findings say it already"


def test_a_run_that_failed_before_its_summary_shows_the_error(tmp_path: Path) -> None:
    facts = RunFacts(
        run="blob-00", cause="a.csv arrived", state="failed", seconds=3, error="no worker: disk full",
        troubles=tuple(Trouble(f"score_1_{i}", "failed", f"reason {i}") for i in range(5)),
    )  # fmt: skip
    words = Words(write_report(tmp_path, facts))
    assert "The run failed before it wrote a summary" in words.text
    assert "The run failed. no worker: disk full" in words.text
    assert "reason 4" in words.text
    assert "python -m pipeline status blob-00" in words.text


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("pending", "has not started"),
        ("running", "is still running"),
        ("canceled", "was canceled"),
        ("empty", "had nothing to score"),
        ("x", "no summary"),
    ],
)
def test_a_run_without_a_summary_shows_its_state(tmp_path: Path, state: str, expected: str) -> None:
    text = Words(write_report(tmp_path, RunFacts(run="r", state=state))).text
    assert expected in text
    assert "What happened" not in text, "nothing stands under it"
    assert "next sweep retries" not in text, "it is not retried"


def test_without_summary_and_facts_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"holds no summary\.json"):
        write_report(tmp_path, RunFacts(run="r", cause="a.csv arrived"))
    assert list(tmp_path.iterdir()) == []


def test_facts_are_text_and_nothing_else(tmp_path: Path) -> None:
    hostile = "</code><img src=x onerror=alert(1)><script>"
    facts = RunFacts(
        hostile, hostile, hostile, hostile, ended=hostile, published=hostile, error=hostile, steps=hostile,
        troubles=(Trouble(hostile, hostile, hostile),) * 4,
    )  # fmt: skip
    unfinished = Words(write_report(tmp_path, facts))
    finished = Words(write_report(MadeRun([MadeSensor("1", "1", normal(20))]).write(tmp_path), facts))
    for page in (unfinished, finished):
        assert "img" not in page.tags
        assert page.text.count(hostile) >= 8


@pytest.mark.parametrize(
    "more", ['"tries": "2"', '"troubles": [3]', '"troubles": [{"step": 1}]', '"troubles": 7', '"error": []']
)
def test_facts_of_a_wrong_kind_are_refused(tmp_path: Path, more: str) -> None:
    (tmp_path / "facts.json").write_text(f'{{"version": 1, {more}}}')
    with pytest.raises(ScoringError, match=r"facts\.json"):
        RunFacts.read(tmp_path / "facts.json")


def test_a_finding_has_the_side_of_its_anomalies(tmp_path: Path) -> None:
    folder = MadeRun(
        [MadeSensor("1", "1", with_spikes(50, [7, 20])), MadeSensor("1", "2", [*normal(30), 1.0])]
    ).write(tmp_path)
    text = Words(write_report(folder)).text
    assert "1/1 (4.0 %, too high)" in text
    assert "1/2 (3.2 %, too low)" in text


def test_the_list_of_runs_is_written_without_numerics(tmp_path: Path) -> None:
    """It is written after each sweep that finished runs, so it should be cheap."""
    program = (
        "import sys; from pathlib import Path; from scoring.report.index import RunRow, write_index\n"
        "write_index([RunRow('a', 'failed', readings=3, anomalies=1)], Path(sys.argv[1]))\n"
        "print({'numpy', 'pyarrow', 'sklearn', 'rich'} & set(sys.modules))"
    )
    page = tmp_path / "index.html"
    done = subprocess.run([sys.executable, "-c", program, page], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert "1 failed" in Words(page).text
