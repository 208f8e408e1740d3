"""What a run says of itself: exit code, state, reasons and headline of `score` and `collect`, by case."""

import html
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring.collect.outcome import landing_outcome, run_outcome
from scoring.collect.rejects import LandingCount, RejectGroup
from scoring.formats import MAX_REJECTED, LandingStatus, RejectKind, RunOutcome, SensorStatus
from scoring.keys import SensorKey
from scoring.models.write import save_model
from tests.scoring.run_command import CommandResult, scoring

CASES = Path(__file__).parents[4] / "shared" / "cases"
HEADER = "TS,Device,Sensor,Value\n"


def time(i: int) -> str:
    return f"2026-01-01 {i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}"


def rows(values: Iterable[str], sensor: str = "1") -> str:
    return "".join(f"{time(i)},1,{sensor},{value}\n" for i, value in enumerate(values))


HEALTHY = HEADER + rows(["74.99"] * 100) + rows(["74.99"] * 100, "2")


@pytest.fixture(scope="module")
def model() -> Any:
    readings = np.random.default_rng(0).normal(75, 10, (200, 1))
    return make_pipeline(StandardScaler(), OneClassSVM(nu=0.05, gamma=0.3)).fit(readings)


@dataclass
class Place:
    """A folder with data, models of the sensors 1/1 and 1/2, and results."""

    path: Path
    model: Any
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for sensor in "12":
            save_model(self.model, self.models, SensorKey("1", sensor))

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def out(self) -> Path:
        return self.path / "out"

    def lay(self, files: dict[str, str]) -> None:
        self.data.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.data / name).write_text(text)

    def score(self, *more: object, data: Path | None = None) -> CommandResult:
        return scoring(
            "score", "--data", data or self.data, "--models", self.models, "--out", self.out, *more
        )

    def collect(self, *more: object) -> CommandResult:
        return scoring("collect", "--data", self.data, "--models", self.models, "--preds", self.out, *more)

    @property
    def summary(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.out / "summary.json").read_text())
        return document

    @property
    def headline(self) -> str:
        found = re.search("<h1>(.*?)</h1>", (self.out / "report.html").read_text(), re.DOTALL)
        return html.unescape(found[1]) if found else ""

    def statuses(self, rows: str = "sensors") -> list[str]:
        return [row["status"] for row in self.summary[rows]]


@pytest.fixture
def place(tmp_path: Path, model: Any) -> Place:
    return Place(tmp_path, model)


@dataclass(frozen=True)
class Case:
    """Files, and the messages about them."""

    files: dict[str, str]
    state: RunOutcome
    reason: str = ""
    headline: str = ""
    landings: tuple[LandingStatus, ...] = (LandingStatus.READ,)


SUCCEEDED, PARTLY, FAILED = RunOutcome.SUCCEEDED, RunOutcome.PARTLY, RunOutcome.FAILED
READ, ALL, MANY = LandingStatus.READ, LandingStatus.ALL_REJECTED, LandingStatus.PARTLY_REJECTED
DECIMAL_COMMAS = HEADER + rows("75" if i < 12 else "74,99" for i in range(1999))

CASE = {
    "healthy": Case({"a.csv": HEALTHY}, SUCCEEDED, headline="Both sensors are normal"),
    "nearly all rows have a decimal comma": Case(
        {"a.csv": DECIMAL_COMMAS},
        PARTLY,
        "a.csv: 1,987 of 1,999 rows rejected: expected 4 fields, found 5 (decimal comma?), first in line 14",
        landings=(MANY,),
    ),
    "every row is rejected": Case(
        {"a.csv": HEADER + rows(['"74,99"'] * 1999)},
        FAILED,
        "a.csv: all 1,999 rows rejected: Value '74,99' is not a number (decimal comma? --mapping "
        "decimal=comma), first in line 2",
        landings=(ALL,),
    ),
    "a landing with rejects only beside a good one": Case(
        {"a.csv": HEALTHY, "b.csv": HEADER + "1767225600,1,1,74.99\n"},
        PARTLY,
        "b.csv: 1 of 1 rows rejected: TS '1767225600' is not a timestamp (Unix seconds? --mapping "
        "ts-format=unix-s), line 2",
        landings=(READ, ALL),
    ),
    "an unreadable file beside a good one": Case(
        {"a.csv": HEALTHY, "b.csv": "TS|Device|Sensor|Value\n2026-01-01|2|3|4\n"},
        PARTLY,
        "b.csv: expected a CSV file with the columns TS, Device, Sensor, Value, found no column TS in "
        "'TS|Device|Sensor|Value'; --mapping delimiter=bar reads it (docs/formats.md)",
        landings=(READ, LandingStatus.UNREADABLE),
    ),
    "unreadable files only": Case(
        {"a.csv": "", "b.csv": "x\n"},
        FAILED,
        "2 landings could not be read, the first is a.csv: expected a CSV file",
        landings=(LandingStatus.UNREADABLE,) * 2,
    ),
    "a day comes first": Case(
        {"a.csv": HEADER + "".join(f"{day:02}/01/2026 10:00,1,1,74.99\n" for day in range(1, 29))},
        FAILED,
        "a.csv: all 28 rows rejected: TS '01/01/2026 10:00' is not a timestamp (day first? --mapping "
        "ts-format=day-first, or month-first), first in line 2",
        landings=(ALL,),
    ),
    "few rows are rejected": Case(
        {"a.csv": HEALTHY + "x,1,1,74.99\n" * 2}, SUCCEEDED, headline="Both sensors are normal"
    ),
    "rows are rejected for several reasons": Case(
        {"a.csv": HEALTHY + "x,1,1,74.99\n" + rows(["n/a"] * 3, "2")},
        PARTLY,
        "a.csv: 4 of 204 rows rejected: Value 'n/a' is not a number "
        "(a word for a missing value? --mapping missing=WORD), first in line 203"
        "; 1 of them for other reasons",
        landings=(MANY,),
    ),
    "a sensor has no model": Case(
        {"a.csv": HEALTHY + f"{time(0)},9,9,1\n"},
        PARTLY,
        "sensor 9/9: there is no model_9_9.skops: train or upload it",
    ),
    "no sensor has a model": Case(
        {"a.csv": HEADER + f"{time(0)},9,9,1\n{time(0)},8,8,1\n"},
        FAILED,
        "2 sensors have no model, the first is sensor 8/8: there is no model_8_8.skops: train or upload it",
        "Nothing was scored: 2 sensors have no model, the first is sensor 8/8: there is no model_8_8.skops: "
        "train or upload it; 2 sensors sent nothing",
    ),
    "a header without rows": Case(
        {"a.csv": HEADER}, SUCCEEDED, headline="There are no readings; 2 sensors sent nothing"
    ),
    "only one site was uploaded": Case(
        {"a.csv": HEADER + rows(["74.99"] * 50)},
        SUCCEEDED,
        headline="1 sensor is normal; 1 sensor sent nothing",
    ),
}


@pytest.mark.parametrize("name", CASE)
def test_a_case_has_its_exit_code_state_reason_and_headline(place: Place, name: str) -> None:
    case = CASE[name]
    place.lay(case.files)
    result = place.score()
    assert result.code == (0 if case.state is SUCCEEDED else 1)
    summary = place.summary
    assert summary["state"] == case.state
    assert tuple(place.statuses("landings")) == case.landings
    if case.state is SUCCEEDED:
        assert summary["reasons"] == []
        assert result.err == ""
        assert place.headline == case.headline
        return
    assert summary["reasons"][0].startswith(case.reason)
    assert result.out.startswith(f"{case.state}: {case.reason}")
    assert case.reason in result.err or len(case.files) > 1
    words = {PARTLY: "Partly scored", FAILED: "Nothing was scored"}[case.state]
    assert place.headline.startswith(case.headline or f"{words}: {case.reason}")
    assert "normal" not in place.headline


@pytest.mark.parametrize("name", CASE)
def test_collect_says_of_steps_what_score_says(place: Place, name: str) -> None:
    place.lay(CASE[name].files)
    whole = place.score()
    expected = (place.out / "summary.json").read_bytes()
    for shard in ("0/2", "1/2"):
        place.score("--shard", shard)
    (place.out / "_steps" / "all.json").unlink(missing_ok=True)
    parts = place.collect()
    assert (parts.code, parts.out) == (whole.code, whole.out)
    assert (place.out / "summary.json").read_bytes() == expected
    assert place.collect("--exit-zero").code == 0


@pytest.mark.parametrize(
    ("share", "code"), [(0, 1), (0.009, 1), (0.01, 0), (0.5, 0), (1, 0)], ids="up to {}".format
)
def test_the_share_of_rejects_that_a_run_can_have_is_an_option(place: Place, share: float, code: int) -> None:
    place.lay({"a.csv": HEADER + rows(["74.99"] * 99) + "x,1,1,1\n"})
    assert place.score("--max-rejected", share).code == code
    assert place.collect("--max-rejected", share).code == code


@given(percent=st.integers(1, 99), hundreds=st.integers(1, 50))
def test_exactly_the_share_of_rejects_that_a_run_can_have_is_no_reason(percent: int, hundreds: int) -> None:
    def status(rejected: int) -> LandingStatus:
        group = RejectGroup(RejectKind.VALUE, "a.csv", 2, "why", "x", rejected)
        readings = 100 * hundreds - rejected
        landing = LandingCount(
            "a.csv", LandingStatus.READ, None, readings, rejected, {RejectKind.VALUE: group}
        )
        return landing_outcome(landing, float(f"{percent / 100:g}"))[0]

    assert status(percent * hundreds) is LandingStatus.READ
    if percent * hundreds + 1 < 100 * hundreds:
        assert status(percent * hundreds + 1) is LandingStatus.PARTLY_REJECTED


def test_the_reason_of_a_file_that_ends_early_says_how_much_of_it_was_read() -> None:
    landing = LandingCount("a.csv.gz", LandingStatus.UNREADABLE, "found it damaged", 1_200)
    assert landing_outcome(landing, MAX_REJECTED) == (
        LandingStatus.UNREADABLE,
        "found it damaged; the 1,200 readings before that were read",
    )


def test_all_rows_rejected_is_never_a_success(place: Place) -> None:
    place.lay({"a.csv": HEADER + "x,1,1,1\n"})
    assert place.score("--max-rejected", 1).code == 1


@pytest.mark.parametrize("share", ["-0.1", "1.1", "nan", "x"])
def test_a_share_out_of_range_is_a_usage_error(place: Place, share: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        place.score(f"--max-rejected={share}")


def test_the_default_share_is_one_percent() -> None:
    assert MAX_REJECTED == 0.01


def test_rejects_are_grouped_by_kind_with_count_first_place_and_hint(place: Place) -> None:
    bad = [
        *(f"{1767225600 + i},1,1,1" for i in range(5)),
        *(f'{time(i)},1,1,"{i},5"' for i in range(3)),
        f"{time(0)},1,1,",
        f"{time(0)},1,1,nan",
        f"{time(0)},,1,1",
        f"{time(0)},1,,1",
        f"{time(0)},1,1",
        f'{time(0)},1,1,"1',
        f"{time(0)},1,1,\udcff",
        f"{time(0)},1,1,{'9' * (2 << 20)}",
    ]
    place.data.mkdir()
    (place.data / "a.csv").write_bytes((HEADER + "\n".join(bad) + "\n").encode(errors="surrogateescape"))
    place.score("--max-row-mb", 1)
    groups = {group["kind"]: group for group in place.summary["rejects"]}
    assert set(groups) == set(RejectKind)
    assert [group["count"] for group in place.summary["rejects"]] == [5, 3, *[1] * 8]
    first = groups["timestamp"]
    assert (first["file"], first["line"], first["hint"]) == ("a.csv", 2, "Unix seconds?")
    assert first["text"] == "1767225600,1,1,1"
    assert (groups["value"]["line"], groups["value"]["hint"]) == (7, "decimal comma?")
    assert groups["missing"]["hint"] is None


def test_a_sensor_that_sent_rejected_rows_only_is_not_normal(place: Place) -> None:
    place.lay({"a.csv": HEALTHY.replace(",1,2,74.99", ",1,2,n/a")})
    assert place.score("--max-rejected", 0.6).code == 0
    assert place.headline == "1 of 2 sensors had all rows rejected"
    assert place.statuses() == ["scored", "no-readings"]
    assert place.summary["sensors"][1]["reason"] == "all of its rows were rejected (100)"


def test_a_sensor_whose_step_was_lost_makes_the_run_partly(place: Place) -> None:
    place.lay({"a.csv": HEALTHY})
    place.score("--key", "1_1")
    result = place.collect()
    assert result.code == 1
    assert result.out.startswith("partly: sensor 1/2: no step wrote a result")
    assert place.statuses() == ["scored", "missing"]


def test_a_failed_step_of_a_sensor_without_readings_is_not_a_failure(place: Place) -> None:
    place.lay({"a.csv": HEADER + rows(["74.99"] * 10)})
    place.score("--key", "1_1")
    lost = {"device": "1", "sensor": "2", "status": "failed", "reason": "killed"}
    outcome = {"version": 1, "step": "1_2", "sensors": [lost], "landings": []}
    (place.out / "_steps" / "1_2.json").write_text(json.dumps(outcome))
    assert place.collect().code == 0
    place.lay({"b.csv": HEADER + rows(["74.99"] * 7, "2")})
    assert place.collect().code == 1
    assert place.summary["reasons"] == ["sensor 1/2: killed"]
    assert place.summary["sensors"][1]["readings"] == 7


@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_deleted_landing_is_not_a_failure(place: Place, change: str) -> None:
    place.lay({"a.csv": HEALTHY, "b.csv": HEALTHY})
    landings = [
        {"name": name, "etag": "0x1", "size": len(HEALTHY), "md5": None} for name in ("a.csv", "b.csv")
    ]
    manifest = place.path / "manifest.json"
    manifest.write_text(json.dumps({"version": 1, "run": "blob-1", "landings": landings}))
    if change == "replaced":
        (place.data / "b.csv").write_text("x")
    else:
        (place.data / "b.csv").unlink()
    result = place.score("--manifest", manifest)
    assert (result.code, place.summary["state"]) == (0, "succeeded")
    assert result.err == f"skipped b.csv: {'superseded' if change == 'replaced' else 'vanished'}\n"


@pytest.mark.parametrize(
    "text", ["1_1\n1_2\n", "1,1\n\n1,2\n", "\ufeff1_1\r\n1,2"], ids=["keys", "csv", "mixed"]
)
@pytest.mark.parametrize("command", [Place.score, Place.collect], ids=["score", "collect"])
def test_an_expected_sensor_that_sent_nothing_is_warned_of(
    place: Place, text: str, command: Callable[..., CommandResult]
) -> None:
    place.lay({"a.csv": HEADER + rows(["74.99"] * 10)})
    expected = place.path / "expected.txt"
    expected.write_text(text)
    place.score()
    result = command(place, "--expected", expected)
    assert result.code == 0
    assert result.err == "warning: expected readings of sensor 1/2: nothing was sent\n"
    assert place.statuses() == ["scored", "silent"]
    assert place.headline == "1 of 2 sensors is expected and sent nothing"


def test_expected_sensors_need_no_model_and_one_with_readings_is_not_warned_of(place: Place) -> None:
    place.lay({"a.csv": HEALTHY})
    expected = place.path / "expected.txt"
    expected.write_text('1_1\n"pump, 7",3\n8_8\n')
    result = place.score("--expected", expected)
    assert result.err.startswith("warning: expected readings of 2 sensors, the first is 8/8: ")
    assert place.statuses() == [*["scored"] * 2, *["silent"] * 2]
    assert place.summary["totals"]["sensors_silent"] == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"1_1\n1\n", "line 2: '1' is not an encoded sensor key"),
        (b"1,2,3\n", "line 1: expected device,sensor, found 3 fields"),
        (b'"1,2\n', "line 1: unexpected end of data"),
        (b"\n\n", "lists no sensor"),
        (b"\xff\xfe", "expected UTF-8 text"),
        (None, "No such file"),
    ],
    ids=["key", "fields", "quote", "empty", "encoding", "missing"],
)
def test_a_list_of_expected_sensors_that_cannot_be_read_is_a_usage_error_before_anything_is_scored(
    place: Place, content: bytes | None, words: str
) -> None:
    place.lay({"a.csv": HEALTHY})
    expected = place.path / "expected.txt"
    if content is not None:
        expected.write_bytes(content)
    result = place.score("--expected", expected)
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert not place.out.exists()


@pytest.mark.parametrize("command", [Place.score, Place.collect], ids=["score", "collect"])
def test_the_owners_list_beside_the_models_is_used(
    place: Place, command: Callable[..., CommandResult]
) -> None:
    place.lay({"a.csv": HEALTHY})
    (place.models / "expected.txt").write_text("1_1\n8_8\n")
    place.score()
    assert command(place).err == "warning: expected readings of sensor 8/8: nothing was sent\n"
    assert place.headline == "1 of 3 sensors is expected and sent nothing"


def test_a_fault_in_the_list_beside_the_models_does_not_keep_readings_from_being_scored(place: Place) -> None:
    place.lay({"a.csv": HEALTHY})
    (place.models / "expected.txt").write_text("1_1\n8\n")
    result = place.score()
    assert result.code == 0
    assert result.err.startswith("warning: expected sensors ")
    assert "line 2: '8' is not an encoded sensor key" in result.err
    assert place.summary["totals"]["sensors_silent"] == 0


class TestSensorsThatTheLastLandingBrought:
    """A fleet of three sensors, of which each landing brings one site's two."""

    @pytest.fixture
    def manifest(self, place: Place) -> Callable[..., Path]:
        save_model(place.model, place.models, SensorKey("2", "1"))

        def manifest(*expected: str, **more: object) -> Path:
            landing = {"name": "a.csv", "etag": "0x1", "size": (place.data / "a.csv").stat().st_size}
            document = {"version": 1, "run": "blob-1", "landings": [landing], "expected": expected, **more}
            path = place.path / "manifest.json"
            path.write_text(json.dumps(document))
            return path

        return manifest

    def test_another_sites_sensors_are_not_counted_as_silent(
        self, place: Place, manifest: Callable[..., Path]
    ) -> None:
        place.lay({"a.csv": HEADER + rows(["75"] * 100) + rows(["75"] * 100, "2")})
        result = place.score("--manifest", manifest("1_1", "1_2"))
        assert (result.code, result.err) == (0, "")
        assert place.headline == "2 sensors are normal"
        assert "sent nothing" not in result.out

    def test_one_of_them_that_sent_nothing_is_silent(
        self, place: Place, manifest: Callable[..., Path]
    ) -> None:
        place.lay({"a.csv": HEADER + rows(["75"] * 100)})
        result = place.score("--manifest", manifest("1_1", "1_2"))
        assert result.err == "warning: expected readings of sensor 1/2: nothing was sent\n"
        assert place.statuses() == ["scored", "silent", "no-readings"]
        assert place.headline == "1 of 2 sensors is expected and sent nothing"

    def test_one_of_them_that_lost_its_model_is_not_expected(
        self, place: Place, manifest: Callable[..., Path]
    ) -> None:
        place.lay({"a.csv": HEALTHY})
        assert place.score("--manifest", manifest("1_1", "9_9")).err == ""
        assert "9" not in {row["device"] for row in place.summary["sensors"]}

    def test_the_owners_list_takes_precedence(self, place: Place, manifest: Callable[..., Path]) -> None:
        place.lay({"a.csv": HEADER + rows(["75"] * 100)})
        (place.models / "expected.txt").write_text("2_1\n")
        place.score("--manifest", manifest("1_1", "1_2"))
        assert place.statuses() == ["scored", "no-readings", "silent"]

    def test_a_try_for_lost_steps_reports_its_own_sensors_only(
        self, place: Place, manifest: Callable[..., Path]
    ) -> None:
        place.lay({"a.csv": HEALTHY})
        place.score("--manifest", manifest("1_1", "1_2", "2_1", sensors=["1_1"]), "--key", "1_1")
        result = place.collect("--manifest", place.path / "manifest.json")
        assert (result.code, result.err, place.statuses()) == (0, "", ["scored"])


def test_json_has_the_state_and_the_reasons(place: Place) -> None:
    place.lay(CASE["every row is rejected"].files)
    totals = json.loads(place.score("--json").out)
    assert (totals["state"], totals["scored"], totals["rejected"]) == ("failed", 0, 1999)
    assert totals["reasons"] == place.summary["reasons"]


def test_a_step_that_found_no_readings_says_so(place: Place) -> None:
    place.lay({"a.csv": HEADER + rows(["74.99"] * 10)})
    assert place.score("--key", "1_2").out.startswith("1_2: no readings -> ")


def test_a_file_that_cannot_be_read_is_reported_before_the_others_are_scored(place: Place) -> None:
    place.lay({"a.csv": HEALTHY, "b.csv": "x\n"})
    (place.out / "preds_1_1.csv").mkdir(parents=True)  # so that scoring fails at its end
    result = place.score()
    first, second = result.err.splitlines()
    assert first.startswith("error: b.csv: expected a CSV file")
    assert "preds_1_1.csv" in second
    assert not (place.out / "summary.json").exists()


SHARED = {
    "float-ids.csv": (SUCCEEDED, ""),
    "header-only.csv": (SUCCEEDED, ""),
    "make-run": (
        PARTLY,
        "epoch.csv: 1 of 1 rows rejected: TS '1767225600' is not a timestamp (Unix seconds? --mapping ",
    ),
    "make-run/epoch.csv": (FAILED, "(Unix seconds? --mapping ts-format=unix-s), line 2"),
    "make-run/good.csv": (SUCCEEDED, ""),
    "offsets.csv": (SUCCEEDED, ""),
    "spaces.csv": (SUCCEEDED, ""),
}
"""Files of readings, their state, and what their first reason says."""


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_case_has_a_state_and_a_reason_that_helps(place: Place, name: str) -> None:
    data = CASES / name
    if not data.exists():
        pytest.skip(f"no shared case {name} beside the repository")
    state, words = SHARED[name]
    result = place.score(data=data)
    summary = place.summary
    assert summary["state"] == state
    assert result.code == (0 if summary["state"] == SUCCEEDED else 1)
    assert words in "".join(summary["reasons"][:1])
    assert all(reason in result.out + result.err for reason in summary["reasons"])


@pytest.mark.parametrize("status", [SensorStatus.NO_READINGS, SensorStatus.SILENT])
def test_a_sensor_without_readings_is_never_a_reason(status: SensorStatus) -> None:
    row = {"device": "1", "sensor": "1", "status": status, "reason": None, "readings": 0}
    assert run_outcome([row], [], {"scored": 0}).state is SUCCEEDED
