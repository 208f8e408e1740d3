"""The page of a fleet: which sensors come first, and what it says of them."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scoring.errors import ScoringError
from scoring.report.fleet_state import FleetState
from tests.scoring.report.fleet_states import make_state, write_state
from tests.scoring.run_command import scoring


def page_of(folder: Path, state: dict[str, Any], *options: str) -> tuple[str, dict[str, Any]]:
    """The page and the data of its script."""
    path = write_state(folder / "state.json.gz", state)
    done = scoring("fleet", path, "--to", folder / "fleet.html", *options)
    assert (done.code, done.out.strip()) == (0, str(folder / "fleet.html"))
    page = (folder / "fleet.html").read_text()
    found = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return page, data


def names(data: dict[str, Any]) -> list[str]:
    return [
        f"{data['devices'][device]}/{sensor}"
        for device, sensor in zip(data["device"], data["sensor"], strict=True)
    ]


def one(**fields: Any) -> dict[str, Any]:
    """The state of one sensor."""
    sensor = {"device": "d", "sensor": "s", "model": "ab", "days": [["2026-11-28", 10, 0, 0, "a"]], **fields}
    return {"version": 1, "updated": "2026-11-28T05:00:00Z", "sensors": [sensor]}


OPEN = {
    "start": "2026-11-27T03:00:00Z",
    "end": "2026-11-28T03:00:00Z",
    "readings": 5,
    "state": "open",
    "run": "a",
}


def test_what_needs_attention_comes_first(tmp_path: Path) -> None:
    page, data = page_of(tmp_path, make_state())
    assert names(data)[:14] == [
        *("site-12/flow-3", "site-40/flow-8"),
        *(f"site-7/flow-{number}" for number in range(10)),
        "site-3/flow-0",
        names(data)[13],
    ]
    assert "<h1>2 of 1,000 sensors are silent, 10 have an open episode, 1 has rows rejected</h1>" in page
    findings = re.findall(r"<b><bdi>(.*?)</bdi></b>", page)
    assert findings == [
        "Device site-7: open episode, 10 of 10 sensors.",
        "2 sensors: silent.",
        "1 sensor: rows rejected.",
    ]


@pytest.mark.parametrize(
    ("fields", "headline", "status"),
    [
        ({}, "The sensor is normal", "normal"),
        ({"silent_since": "2026-11-27T05:00:00Z"}, "1 of 1 sensor is silent", "silent since 11-27 05:00"),
        ({"episodes": [OPEN]}, "1 of 1 sensor has an open episode", "open since 11-27 03:00"),
        ({"episodes": [OPEN | {"state": "closed"}]}, "The sensor is normal", "normal"),
        ({"days": [["2026-11-28", 99, 0, 1, "a"]]}, "The sensor is normal", "normal"),
        ({"days": [["2026-11-28", 98, 0, 2, "a"]]}, "1 of 1 sensor has rows rejected", "2 rows rejected"),
        ({"model": None}, "1 of 1 sensor has no model", "no model"),
        (
            {"days": [["2026-11-22", 9, 1, 0, "a"]], "last_anomaly": "2026-11-22T01:02:03Z"},
            "1 of 1 sensor had anomalies in the last 7 days of readings",
            "anomaly 11-22 01:02",
        ),
        ({"days": [["2026-11-21", 9, 1, 0, "a"]]}, "The sensor is normal", "normal"),
    ],
)
def test_each_trouble_has_its_words(
    tmp_path: Path, fields: dict[str, Any], headline: str, status: str
) -> None:
    page, data = page_of(tmp_path, one(**fields))
    assert f"<h1>{headline}</h1>" in page
    assert data["status"] == [status]


def test_each_sensor_has_its_model_and_since_when(tmp_path: Path) -> None:
    _, data = page_of(tmp_path, one(model="0123456789abcdef", model_since="2026-10-01T05:00:00Z"))
    assert data["model"] == ["0123456789ab"]
    assert [data["times"][place] for place in data["model_since"]] == ["2026-10-01 05:00:00 UTC"]
    _, data = page_of(tmp_path, one(model=None))
    assert data["model"] == [None]


def test_a_fleet_without_sensors_has_a_page(tmp_path: Path) -> None:
    page, _ = page_of(tmp_path, {"version": 1, "sensors": []})
    assert "<h1>No sensor has been scored yet</h1>" in page


def test_the_page_ends_at_the_day_of_the_state_or_at_the_one_that_is_given(tmp_path: Path) -> None:
    assert page_of(tmp_path, one())[1]["dates"] == ["2026-11-28"]
    _, data = page_of(tmp_path, one(), "--now", "2026-11-30T05:00:00Z")
    assert data["dates"] == ["2026-11-28", "2026-11-29", "2026-11-30"]
    assert page_of(tmp_path, make_state(10, 200))[1]["dates"][0] == "2026-09-30"


def test_old_readings_are_on_the_page_and_a_clock_that_runs_ahead_does_not_move_it(tmp_path: Path) -> None:
    old = one(days=[["2026-01-03", 10, 2, 0, "a"]], last_reading="2026-01-03T23:59:00Z")
    page, data = page_of(tmp_path, old)
    assert data["dates"] == ["2026-01-03"]
    assert "1 of 1 sensor had anomalies in the last 7 days of readings" in page
    ahead = one(last_reading="2099-01-01T00:00:00Z")
    assert page_of(tmp_path, ahead)[1]["dates"] == ["2026-11-28"]


def test_the_same_state_gives_the_same_bytes(tmp_path: Path) -> None:
    assert page_of(tmp_path, make_state(50))[0] == page_of(tmp_path, make_state(50))[0]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{}", "is not the state of a fleet"),
        (b"\x1f\x8bnothing", "is a damaged gzip file"),
        (gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 20, "is a damaged gzip file"),
        (b'{"version": 2, "sensors": []}', "version 2 is not 1; update this project"),
    ],
)
def test_a_state_that_cannot_be_read_is_reported_in_one_line(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "state.json.gz").write_bytes(content)
    with pytest.raises(ScoringError, match=expected) as caught:
        FleetState.read(tmp_path / "state.json.gz")
    assert "\n" not in str(caught.value)


def test_a_small_state_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("scoring.report.fleet_state.FLEET_MOST_BYTES", 1000)
    (tmp_path / "state.json.gz").write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(ScoringError, match="unpacks to more than 1,000 bytes"):
        FleetState.read(tmp_path / "state.json.gz")


def test_a_time_that_is_not_one_is_reported(tmp_path: Path) -> None:
    path = write_state(tmp_path / "state.json.gz", one() | {"updated": "yesterday"})
    done = scoring("fleet", path, "--to", tmp_path / "fleet.html")
    assert done.code == 1
    assert "the fleet state has a time that cannot be read" in done.err


def test_the_page_needs_neither_numpy_nor_pyarrow(tmp_path: Path) -> None:
    path = write_state(tmp_path / "state.json.gz", make_state(5, 2))
    code = (
        "import sys; sys.modules['numpy'] = sys.modules['pyarrow'] = None\n"
        "from scoring.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "fleet", str(path), "--to", str(tmp_path / "fleet.html")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
