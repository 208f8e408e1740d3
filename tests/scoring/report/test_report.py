"""The contents of a report, read from its bytes; `test_report_page.py` opens it in a browser."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.svm import OneClassSVM

from scoring.cli import main
from scoring.errors import ScoringError
from scoring.formats import LandingStatus, RunOutcome, SensorStatus
from scoring.keys import SensorKey
from scoring.models.svm import SvmDetector
from scoring.models.write import save_model
from scoring.report import sensor_views
from scoring.report.downsample import keep, thin
from scoring.report.facts import RunFacts
from scoring.report.folder import Folder, Predictions, trailing_anomalies
from scoring.report.formatting import format_duration, format_share
from scoring.report.index import RunRow, write_index
from scoring.report.names import natural_key
from scoring.report.page import write_report
from scoring.report.templates import escape_bidi, json_in_script
from tests.scoring.report.finished_runs import HIGH, MadeRun, MadeSensor, landing, normal, with_spikes
from tests.scoring.report.test_report_boundary import SVM

HOSTILE = [
    "<script>hacked=1</script>",
    "</script><b>",
    '"><img src=x onerror=hacked=1>',
    "a\u2028b",
    "\u202eevil",
]


class Reader(HTMLParser):
    """The texts of a page outside its scripts and styles, and its scripts by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the name is HTMLParser's
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def report(run: MadeRun, folder: Path, facts: RunFacts | None = None) -> Reader:
    reader = Reader()
    reader.feed(write_report(run.write(folder), facts).read_text())
    return reader


def unfold(text: str) -> np.ndarray:
    dtype = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "f4": "<f4", "f8": "<f8"}[text[:2]]
    return np.frombuffer(base64.b64decode(text[3:]), dtype).astype(float)


def marks(chart: dict[str, Any]) -> list[int]:
    return [int(place) for place in np.cumsum(unfold(chart["marks"]))]


def values(chart: dict[str, Any]) -> list[float]:
    column = chart["values"]
    power = 10.0 ** (column["decimals"] or 0)
    return [(float(number) + column["offset"]) / power for number in unfold(column["data"])]


def test_every_anomaly_of_a_run_is_on_the_page(tmp_path: Path) -> None:
    run = MadeRun([MadeSensor("1", str(i), with_spikes(9000, range(0, 9000, 50 * i))) for i in (1, 2, 3)])
    page = report(run, tmp_path).data
    drawn = page["charts"]
    assert [len(marks(chart)) for chart in drawn] == page["sensors"]["anomalies"] == [180, 90, 60]
    for chart in drawn:
        readings = values(chart)
        assert all(readings[mark] >= HIGH for mark in marks(chart))
        assert len(readings) < 5000 < chart["readings"]


def test_values_on_the_page_are_the_values_of_the_file_to_the_last_digit(tmp_path: Path) -> None:
    readings = [12.34, 0.1, 50.123456, -7.0, 99999.99]
    (chart,) = report(MadeRun([MadeSensor("1", "1", readings)]), tmp_path).data["charts"]
    assert values(chart) == readings


def test_values_with_many_digits_differ_invisibly(tmp_path: Path) -> None:
    readings = [1 / 3, 2 / 3, 1e-7]
    large = [1e9 + 1 / 3, 1e9 + 2 / 3]
    first, second = report(
        MadeRun([MadeSensor("1", "1", readings), MadeSensor("1", "2", large)]), tmp_path
    ).data["charts"]
    assert sorted([values(first), values(second)], key=max) == [pytest.approx(readings, rel=1e-6), large]


def test_sensors_that_need_attention_come_first(tmp_path: Path) -> None:
    page = report(
        MadeRun(
            [
                MadeSensor("fine", "1", normal(100)),
                MadeSensor("10", "rare", with_spikes(100, [3])),
                MadeSensor("2", "rare", with_spikes(100, [3])),
                MadeSensor("2", "often", with_spikes(100, [3, 9, 30])),
                MadeSensor("2", "all", [99.0] * 100),
                MadeSensor("2", "now", with_spikes(200, range(195, 200))),
                MadeSensor(
                    "2", "broken", status=SensorStatus.FAILED, reason="the model is refused", readings=5
                ),
                MadeSensor("2", "unknown", status=SensorStatus.NO_MODEL, reason="no such model", readings=5),
                MadeSensor("2", "silent", status=SensorStatus.NO_READINGS),
            ]
        ),
        tmp_path,
    )
    sensors = page.data["sensors"]
    order = list(zip(sensors["device"], sensors["sensor"], strict=True))
    assert [sensor for _, sensor in order] == [
        "broken", "now", "all", "often", "rare", "rare", "unknown", "1", "silent",
    ]  # fmt: skip
    assert order[4:6] == [("2", "rare"), ("10", "rare")]
    assert "1 of 8 sensors was not scored, 1 is anomalous at the end, 5 more need attention" in page.text
    assert "the model is refused" in page.text


def test_a_run_without_anomalies_needs_no_attention(tmp_path: Path) -> None:
    text = report(MadeRun([MadeSensor("1", str(i), normal(50, i)) for i in range(3)]), tmp_path).text
    assert "All 3 sensors are normal" in text
    assert "Nothing: every reading is normal." in text


def test_sensors_that_sent_nothing_are_counted_and_not_called_normal(tmp_path: Path) -> None:
    quiet = [MadeSensor("2", str(i), status=SensorStatus.NO_READINGS) for i in range(3)]
    page = report(MadeRun([MadeSensor("1", "1", normal(50)), *quiet]), tmp_path)
    assert "1 sensor is normal; 3 sensors sent nothing" in page.text
    assert "Nothing: every reading is normal; 3 sensors sent nothing." in page.text
    assert "of 1 with readings; 3 sent nothing" in page.text
    assert "what needs attention" not in page.text
    groups = [page.data["groups"][group]["name"] for group in page.data["sensors"]["group"]]
    assert groups == ["Normal", *["No readings"] * 3]


def test_an_expected_sensor_that_sent_nothing_and_one_with_rejects_only_need_attention(
    tmp_path: Path,
) -> None:
    page = report(
        MadeRun(
            [
                MadeSensor("1", "1", normal(50)),
                MadeSensor("1", "2", status=SensorStatus.SILENT),
                MadeSensor("1", "3", status=SensorStatus.NO_READINGS, rejected=7),
            ]
        ),
        tmp_path,
    )
    assert "1 of 3 sensors had all rows rejected, 1 is expected and sent nothing" in page.text
    assert "1 sensor: silent. It is expected, but sent nothing." in page.text
    assert "1 sensor: all rows rejected. See rejects.csv for the reasons." in page.text
    assert page.data["sensors"]["why"][0] == "No reading: all of its rows were rejected (7)."
    assert page.data["unscored"]["silent"]["glyph"] == "◇"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RunOutcome.PARTLY, "Partly scored: a.csv: 9 of 20 rows rejected; 1 of 2 sensors had some anomalies"),
        (RunOutcome.FAILED, "Nothing was scored: a.csv: 9 of 20 rows rejected "),
    ],
)
def test_the_headline_of_a_run_that_did_not_succeed_starts_with_the_first_reason(
    tmp_path: Path, state: RunOutcome, expected: str
) -> None:
    reasons = ["a.csv: 9 of 20 rows rejected", "sensor 1/2: no model"]
    sensors = [
        MadeSensor("1", "1", with_spikes(50, [7])),
        MadeSensor("1", "2", status=SensorStatus.NO_MODEL, reason="no model", readings=3),
    ]
    page = report(MadeRun(sensors, state=state, reasons=reasons), tmp_path)
    assert expected in page.text
    assert f"arrived · {state} · blob-" in page.text


def test_a_summary_of_an_earlier_version_has_a_report(tmp_path: Path) -> None:
    folder = MadeRun([MadeSensor("1", "1", normal(20))], rejects=[["a.csv", "7", "bad", "", "", "x"]]).write(
        tmp_path
    )
    summary = json.loads((folder / "summary.json").read_text())
    for name in ("state", "reasons", "rejects"):
        del summary[name]
    del summary["totals"]["sensors_without_rows"]
    (folder / "summary.json").write_text(json.dumps(summary))
    page = Reader()
    page.feed(write_report(folder).read_text())
    assert "The sensor is normal" in page.text
    assert "1 row rejected." in page.text


def test_a_run_without_readings_is_not_called_normal(tmp_path: Path) -> None:
    text = report(MadeRun([MadeSensor("1", "1", [], status=SensorStatus.NO_READINGS)]), tmp_path).text
    assert "There are no readings" in text
    assert "Nothing: there are no readings." in text
    assert "every reading is normal" not in text


def test_models_without_readings_that_are_too_many_to_list_are_counted(tmp_path: Path) -> None:
    page = report(MadeRun([MadeSensor("1", "1", normal(20))], unlisted=1001), tmp_path)
    assert "1,001 more models without readings." in page.text
    assert "1 sensor is normal; 1,001 sensors sent nothing" in page.text


def test_each_sensor_is_explained_in_words(tmp_path: Path) -> None:
    page = report(
        MadeRun(
            [
                MadeSensor("a", "1", with_spikes(1000, [5, 6, 7, 100])),
                MadeSensor("b", "1", [*normal(95), 30.0, 30.0, 30.0, 30.0, 30.0]),
                MadeSensor("c", "1", normal(10)),
            ]
        ),
        tmp_path,
    )
    why = dict(zip(page.data["sensors"]["device"], page.data["sensors"]["why"], strict=True))
    assert why["a"].startswith(
        "4 of 1,000 readings anomalous (0.4 %), at most 3 in a row, all too high. Normal: up to"
    )
    assert why["b"].startswith("Anomalous until the end: the last 5 readings, since 2026-01-01 00:07:55. ")
    assert "all too low. Normal: from about 4" in why["b"]
    assert why["c"] == "All 10 readings are normal."


def test_problems_with_the_data_are_shown_at_the_top(tmp_path: Path) -> None:
    page = report(
        MadeRun(
            [MadeSensor("1", "1", normal(20))],
            landings=[
                landing("good.csv"),
                landing("bad.csv", LandingStatus.UNREADABLE, "bad.csv: no column Value"),
                landing("old.csv", LandingStatus.SUPERSEDED),
            ],
            rejects=[["good.csv", "7", "Value is not a number", "1", "1", "2026,1,1,x"]] * 3,
        ),
        tmp_path,
    )
    assert "1 landing could not be read. bad.csv: no column Value" in page.text
    assert "1 landing replaced before it was read; the new version has a run of its own. old.csv" in page.text
    assert (
        "3 rows rejected. value: 3, the first is good.csv line 7: Value is not a number (decimal comma?)"
        in page.text
    )
    assert "2026,1,1,x" in page.text


def test_facts_from_the_pipeline_are_shown(tmp_path: Path) -> None:
    facts = RunFacts(
        cause="site-a.csv arrived", state="partly", started="2026-11-23T05:00:02+01:00", seconds=4000.0
    )
    text = report(MadeRun([MadeSensor("1", "1", normal(20))]), tmp_path, facts).text
    assert "site-a.csv arrived · partly · blob-0123456789abcdef0123456789abcdef" in text
    assert "1 h 6 min from 2026-11-23 04:00:02 UTC" in text


def test_names_from_data_are_text_and_nothing_else(tmp_path: Path) -> None:
    sensors = [MadeSensor(name, name, with_spikes(50, [7])) for name in HOSTILE]
    sensors.append(MadeSensor("x", "y", status=SensorStatus.FAILED, reason=HOSTILE[0], readings=1))
    run = MadeRun(
        sensors,
        run=HOSTILE[2],
        landings=[landing(name, LandingStatus.UNREADABLE, name) for name in HOSTILE],
        rejects=[[name, "1", *[name] * 6] for name in HOSTILE],
    )
    facts = RunFacts(cause=HOSTILE[0], state=HOSTILE[1], started=HOSTILE[2])
    page = report(run, tmp_path, facts)
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "b onclick", "iframe"})
    assert len(page.scripts) == 3
    assert not [names for _, names in page.tags if any(name.startswith("on") for name in names)]
    assert {escape_bidi(name) for name in HOSTILE} <= set(page.data["sensors"]["device"])
    assert "\u202e" not in page.text + page.scripts[0]
    for name in HOSTILE:
        assert " ".join(escape_bidi(name).split()) in page.text


def test_the_pages_policy_allows_only_its_own_script_and_style(tmp_path: Path) -> None:
    page = report(MadeRun([MadeSensor("1", "1", normal(20))]), tmp_path)
    policy = next(names["content"] for tag, names in page.tags if names.get("http-equiv")) or ""
    assert policy.startswith("default-src 'none'; ")
    for script in page.scripts[1:]:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    sources = [names.get("src") or names.get("href") or "" for _, names in page.tags]
    assert not [source for source in sources if ":" in source and source != "data:,"]


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    run = MadeRun([MadeSensor("1", str(i), with_spikes(2000, [i])) for i in range(5)])
    first = write_report(run.write(tmp_path / "a")).read_bytes()
    assert write_report(run.write(tmp_path / "b")).read_bytes() == first


def test_sensors_without_a_chart_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_views, "MOST_DRAWN", 2)
    run = MadeRun([MadeSensor("1", str(i), with_spikes(100, range(i))) for i in range(4)])
    page = report(run, tmp_path)
    assert page.data["sensors"]["anomalies"] == [3, 2, 1, 0]
    assert page.data["sensors"]["chart"] == [0, 1, None, None]
    assert page.data["sensors"]["why"][2] == "1 of 100 readings anomalous (1.0 %)."
    assert "2 sensors further down are listed without a chart" in page.text


def test_sensors_without_a_chart_are_anomalous_at_the_end_from_the_fifth_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensor_views, "MOST_DRAWN", 0)
    run = MadeRun(
        [
            MadeSensor("four", "1", with_spikes(20, range(16, 20))),
            MadeSensor("five", "1", with_spikes(100, range(95, 100))),
        ]
    )
    sensors = report(run, tmp_path).data["sensors"]
    assert sensors["device"] == ["five", "four"]
    assert sensors["why"][0].startswith("Anomalous until the end: at least the last 5 readings. ")
    assert sensors["why"][1] == "4 of 20 readings anomalous (20 %)."


def test_a_page_keeps_to_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_views, "MOST_BYTES", 25_000)
    run = MadeRun([MadeSensor("1", str(i), [99.0 + i] * 2000) for i in range(4)])
    drawn = [place is not None for place in report(run, tmp_path).data["sensors"]["chart"]]
    assert drawn[0]
    assert not drawn[-1]


def test_a_file_that_cannot_be_drawn_does_not_affect_the_others(tmp_path: Path) -> None:
    run = MadeRun([MadeSensor("1", str(i), with_spikes(20, [3])) for i in (1, 2, 3)])
    folder = run.write(tmp_path)
    (folder / "preds_1_1.csv").write_text("nothing,of,this\n")
    (folder / "preds_1_2.csv").unlink()
    reader = Reader()
    reader.feed(write_report(folder).read_text())
    assert reader.data["sensors"]["chart"] == [None, None, 0]
    assert "cannot be drawn" in reader.data["sensors"]["why"][0]


def test_readings_out_of_order_are_drawn_in_order_of_time(tmp_path: Path) -> None:
    folder = MadeRun([MadeSensor("1", "1", with_spikes(50, [49]))]).write(tmp_path)
    path = folder / "preds_1_1.csv"
    header, *rows = path.read_text().splitlines(keepends=True)
    path.write_text(header + "".join(reversed(rows)))
    predictions = Predictions.read(path)
    assert (np.diff(predictions.times) > 0).all()
    assert predictions.anomalous.tolist() == [False] * 49 + [True]


@pytest.mark.parametrize(("places", "expected"), [([], 0), ([9], 1), ([3, 8, 9], 2), (range(10), 10)])
def test_anomalies_at_the_end_are_counted_from_the_last_bytes(
    tmp_path: Path, places: list[int], expected: int
) -> None:
    MadeSensor('comma, "quote"', "1", with_spikes(10, places)).write(tmp_path)
    assert trailing_anomalies(next(tmp_path.glob("preds_*"))) == expected


def test_values_written_in_uncommon_ways_are_read(tmp_path: Path) -> None:
    path = tmp_path / "preds_1_1.csv"
    rows = [
        "TS,Device,Sensor,Val,Prediction,Score",
        "2026-01-01T00:00:00Z,1,1, +1_0 ,0,0.5",
        "2026-01-01,1,1,1e3,1,-inf",
    ]
    path.write_text("\n".join([*rows, ""]))
    predictions = Predictions.read(path)
    assert predictions.values.tolist() == [1000.0, 10.0] or predictions.values.tolist() == [10.0, 1000.0]
    assert np.isneginf(predictions.scores).sum() == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "holds no summary.json: name the folder that `score` or `collect` has written to"),
        ("[]", "is not the summary of a run"),
        ('{"version": 2}', "version 2 is not 1"),
        ('{"version": 1, "run": null, "totals": {}, "sensors": [{}], "landings": []}', "is not the summary"),
    ],
)
def test_a_folder_without_a_summary_is_named(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(ScoringError, match=re.escape(message)):
        Folder.read(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"version": 9}', '{"version": 1, "cause": 7}', '{"version": 1, "seconds": true}']
)
def test_invalid_facts_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "facts.json").write_text(content)
    with pytest.raises(ScoringError, match=re.escape("facts.json")):
        RunFacts.read(tmp_path / "facts.json")


def test_the_command_writes_the_page_with_the_facts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = MadeRun([MadeSensor("1", "1", normal(20))]).write(tmp_path / "out")
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps({"version": 1, "cause": "a tick", "new": "unknown to this version"}))
    assert main(["report", "--preds", str(folder), "--facts", str(facts)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    assert "a tick" in (folder / "report.html").read_text()


def test_names_from_outside_are_only_text_on_the_page_of_runs(tmp_path: Path) -> None:
    hostile = RunRow(HOSTILE[0], HOSTILE[1], HOSTILE[2], report="javascript:alert(1)")
    page = Reader()
    page.feed(write_index([hostile, RunRow("b", "empty")], tmp_path / "index.html").read_text())
    assert all(name in page.text for name in HOSTILE[:3])
    assert [names["href"] for tag, names in page.tags if tag == "a"] == ["javascript%3Aalert%281%29"]


def test_names_sort_in_natural_order() -> None:
    names = ["pump-10", "pump-2", "10", "2", "b", "a"]
    assert sorted(names, key=natural_key) == ["2", "10", "a", "b", "pump-2", "pump-10"]


series = hnp.arrays(np.float64, st.integers(1, 400), elements=st.floats(-1e6, 1e6))


@given(series, st.integers(3, 60), st.data())
def test_reduction_keeps_ends_extremes_and_anomalies(
    readings: np.ndarray, points: int, data: st.DataObject
) -> None:
    anomalous = data.draw(hnp.arrays(bool, len(readings)))
    kept = keep(readings, -readings, anomalous, points)
    assert (np.diff(kept) > 0).all()
    assert {0, len(readings) - 1} | set(np.flatnonzero(anomalous)) <= set(kept.tolist())
    assert (readings[kept].min(), readings[kept].max()) == (readings.min(), readings.max())
    assert len(kept) <= max(points, 3) + anomalous.sum() + 5


def test_thinning_keeps_both_ends() -> None:
    assert thin(np.arange(100), 10).tolist() == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    assert thin(np.arange(5), 10).tolist() == [0, 1, 2, 3, 4]


def test_only_the_model_that_scored_gives_an_exact_boundary(tmp_path: Path) -> None:
    key, replaced = SensorKey("1", "1"), SensorKey("1", "2")
    estimator = OneClassSVM(nu=0.1, gamma=0.01).fit(np.linspace(45, 55, 50).reshape(-1, 1))
    for each in (key, replaced):
        save_model(estimator, tmp_path / "models", each)
    sha256 = hashlib.sha256((tmp_path / "models" / key.model_name).read_bytes()).hexdigest()
    readings = [44.0, 50.0, 70.0]
    run = MadeRun(
        [
            MadeSensor("1", "1", readings, model=sha256),
            MadeSensor("1", "2", readings),
            MadeSensor("1", "3", readings),
        ]
    )
    command = ["report", "--preds", str(run.write(tmp_path / "out")), "--models", str(tmp_path / "models")]
    assert main(command) == 0
    page = Reader()
    page.feed((tmp_path / "out" / "report.html").read_text())
    assert [chart["exact"] for chart in page.data["charts"]] == [True, False, False]
    ((low, high),) = page.data["charts"][0]["normal"]
    assert np.abs(estimator.decision_function([[low], [high]])).max() < 1e-4


def test_a_model_that_calls_nothing_normal_is_reported(tmp_path: Path) -> None:
    hopeless = SvmDetector(replace(SVM, intercept=-3.0))
    folder = MadeRun([MadeSensor("1", "1", [70.0, 71.0, 72.0, 73.0, 74.0])]).write(tmp_path)
    page = Reader()
    page.feed(write_report(folder, find_detector=lambda _: hopeless).read_text())
    assert page.data["sensors"]["why"][0].startswith(
        "Every one of 5 readings is anomalous. Its model calls no value"
    )


@given(
    st.recursive(
        st.text() | st.none() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=12,
    )
)
def test_json_in_a_script_is_the_same_json_and_no_markup(document: object) -> None:
    written = json_in_script(document)
    assert json.loads(written) == document
    assert written.isascii()
    assert not set("<>&") & set(written)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
@settings(max_examples=200)
def test_a_share_is_0_or_100_percent_only_where_it_is_exactly(some: int, of: int) -> None:
    some = min(some, of)
    text = format_share(some / of)
    assert (text == "0 %") == (some == 0)
    assert (text == "100 %") == (some == of)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (4, "4 s"),
        (59.6, "1 min"),
        (3600, "1 h"),
        (4000, "1 h 6 min"),
        (90061, "1 d 1 h"),
    ],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_the_plotting_library_matches_its_checksums() -> None:
    assets = Path(sensor_views.__file__).parent / "assets"
    notes = (assets / "uPlot.md").read_text()
    version = re.search(r"# uPlot ([\d.]+)", notes)
    assert version is not None
    assert f"(v{version[1]})" in (assets / "uPlot.iife.min.js").read_text()
    sums = dict(re.findall(r"\| (\S+) \| ([0-9a-f]{64}) \|", notes))
    assert {name: hashlib.sha256((assets / name).read_bytes()).hexdigest() for name in sums} == sums
    assert len(sums) == 3
