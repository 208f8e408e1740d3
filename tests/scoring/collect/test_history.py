"""`episodes.csv` and `days.csv`: what a run writes of its sensors over time."""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.cli import main
from scoring.formats import DAYS_CSV, EPISODES_CSV
from scoring.models.write import save_model
from tests.scoring.run_command import scoring

KEYS = [SensorKey("1", "1"), SensorKey("1", "2"), SensorKey("a,b", "é")]
NORMAL, HIGH, LOW = 50, 90, 10

type Row = tuple[str, SensorKey, object]


def at(minute: int, day: int = 1) -> str:
    return f"2026-01-{day:02} {minute // 60:02}:{minute % 60:02}:00"


ROWS: list[Row] = [
    *((at(minute), KEYS[0], HIGH if minute in {10, 11, 13, 40, 59} else NORMAL) for minute in range(60)),
    *((at(minute, day), KEYS[1], LOW if minute < 5 else NORMAL) for day in (1, 2) for minute in range(20)),
    *((at(minute), KEYS[2], [LOW, HIGH, NORMAL][min(minute, 2)]) for minute in range(30)),
    (at(3), KEYS[1], "warm"),
    (at(3, 4), KEYS[1], "warm"),
    ("yesterday", KEYS[1], NORMAL),
    (at(3), SensorKey("no", "model"), "warm"),
]


class Place:
    """A folder with models and landings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "models"
        for key in KEYS:
            save_model(OneClassSVM(nu=0.01).fit(np.linspace(40, 60, 50)[:, None]), self.models, key)

    def land(self, name: str, landings: Sequence[Sequence[Row]]) -> Path:
        data = self.folder / name
        data.mkdir()
        for number, rows in enumerate(landings):
            with (data / f"{number}.csv").open("w", newline="") as file:
                table = csv.writer(file)
                table.writerow(["TS", "Device", "Sensor", "Value"])
                table.writerows([ts, key.device, key.sensor, value] for ts, key, value in rows)
        return data

    def score(self, data: Path, out: str, *options: object) -> Path:
        given = ("--data", data, "--models", self.models, "--out", self.folder / out)
        assert scoring("score", *given, "--max-rejected", 1, *options).code == 0
        return self.folder / out


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def table(out: Path, name: str) -> list[dict[str, str]]:
    with (out / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def both(out: Path) -> tuple[bytes, bytes]:
    return (out / EPISODES_CSV).read_bytes(), (out / DAYS_CSV).read_bytes()


def summary(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    return document


def test_a_run_writes_each_episode_and_each_day_of_its_sensors(place: Place) -> None:
    out = place.score(place.land("data", [ROWS]), "out")
    episodes = [
        (
            row["Device"],
            row["Sensor"],
            row["start"][11:16],
            row["end"][11:16],
            row["readings"],
            row["direction"],
        )
        for row in table(out, EPISODES_CSV)
    ]
    assert episodes == [
        ("1", "1", "00:10", "00:13", "3", "high"),
        ("1", "1", "00:40", "00:40", "1", "high"),
        ("1", "1", "00:59", "00:59", "1", "high"),
        ("1", "2", "00:00", "00:04", "5", "low"),
        ("1", "2", "00:00", "00:04", "5", "low"),
        ("a,b", "é", "00:00", "00:01", "2", "mixed"),
    ]
    first = table(out, EPISODES_CSV)[0]
    assert (first["gap_s"], first["last_reading"]) == ("360", "2026-01-01T00:59:00Z")
    assert (first["peak_TS"], first["peak_Value"]) == ("2026-01-01T00:10:00Z", "90")
    with (out / KEYS[0].preds_name).open() as file:
        scores = {row["TS"]: row["Score"] for row in csv.DictReader(file)}
    assert first["peak_score"] == scores[at(10)]
    assert [list(row.values())[1:6] for row in table(out, DAYS_CSV)] == [
        ["1", "2026-01-01", "60", "5", "0"],
        ["2", "2026-01-01", "20", "5", "1"],
        ["2", "2026-01-02", "20", "5", "0"],
        ["2", "2026-01-04", "0", "0", "1"],
        ["é", "2026-01-01", "30", "2", "0"],
    ]
    assert list(table(out, DAYS_CSV)[2].values())[6:] == [
        "2026-01-02T00:00:00Z", "2026-01-02T00:19:00Z", "2026-01-02T00:04:00Z",
    ]  # fmt: skip
    found = summary(out)
    assert (found["totals"]["episodes"], found["totals"]["sensors_in_episodes"]) == (4, 3)
    assert found["least_episode"] == 2


def test_gap_and_least_length_are_options(place: Place) -> None:
    data = place.land("data", [ROWS])
    out = place.score(data, "out", "--episode-gap", 60, "--episode-least", 1)
    rows = [row for row in table(out, EPISODES_CSV) if row["Sensor"] == "1"]
    assert [(row["readings"], row["gap_s"]) for row in rows] == [
        (each, "60") for each in ("2", "1", "1", "1")
    ]
    assert summary(out)["totals"]["episodes"] == 4 + 2 + 1


def test_a_gap_of_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["score", "--data", ".", "--models", ".", "--out", str(tmp_path), "--episode-gap", "0"])
    assert "--episode-gap: '0': give a number from 0.001 to 100,000,000" in capsys.readouterr().err


def test_the_files_are_the_same_in_any_order_of_landings_and_readings(place: Place) -> None:
    expected = both(place.score(place.land("one", [ROWS]), "out-one"))
    orders = [[ROWS[::-1]], [ROWS[::2], ROWS[1::2]], [ROWS[2::3], ROWS[1::3][::-1], ROWS[::3]]]
    for number, landings in enumerate(orders):
        assert sorted(map(repr, chain.from_iterable(landings))) == sorted(map(repr, ROWS))
        assert both(place.score(place.land(f"{number}", landings), f"out-{number}")) == expected


def test_steps_and_collect_write_the_same_files_as_one_command(place: Place) -> None:
    data = place.land("data", [ROWS[::2], ROWS[1::2]])
    expected = both(place.score(data, "whole"))
    for key in KEYS[:2]:
        place.score(data, "steps", "--key", key.encoded)
    out = place.score(data, "steps", "--key", KEYS[2].encoded)
    done = scoring("collect", "--data", data, "--models", place.models, "--preds", out, "--exit-zero")
    assert done.code == 0
    assert both(out) == expected
    place.score(data, "steps", "--key", KEYS[0].encoded)  # a step that is repeated counts once
    scoring("collect", "--data", data, "--models", place.models, "--preds", out, "--exit-zero")
    assert both(out) == expected


def test_two_tries_add_up_to_the_files_of_one(place: Place) -> None:
    data = place.land("data", [ROWS])
    text = (data / "0.csv").read_bytes()
    whole = place.score(data, "whole")
    landing = {"name": "0.csv", "etag": "0x1", "size": len(text)}
    tries = {"first": (KEYS[:1], None), "second": (KEYS, [key.encoded for key in KEYS[1:]])}
    for name, (keys, listed) in tries.items():
        manifest = place.folder / f"{name}.json"
        document = {"version": 1, "run": name, "landings": [landing]} | (
            {"sensors": listed} if listed else {}
        )
        manifest.write_text(json.dumps(document))
        for key in keys:
            place.score(data, name, "--manifest", manifest, "--key", key.encoded)
        given = ("--data", data, "--models", place.models, "--preds", place.folder / name)
        assert scoring("collect", *given, "--manifest", manifest, "--exit-zero").code == 0
    first, second = (place.folder / name for name in tries)
    assert table(first, EPISODES_CSV) + table(second, EPISODES_CSV) == table(whole, EPISODES_CSV)

    def added(*folders: Path) -> dict[tuple[str, str, str], Counter[str]]:
        sums: dict[tuple[str, str, str], Counter[str]] = {}
        for row in (row for folder in folders for row in table(folder, DAYS_CSV)):
            numbers = {name: int(row[name]) for name in ("readings", "anomalies", "rejected")}
            sums.setdefault((row["Device"], row["Sensor"], row["date"]), Counter()).update(numbers)
        return sums

    assert added(first, second) == added(whole)


def test_a_sensor_without_a_model_has_days_and_no_episodes(place: Place) -> None:
    other = SensorKey("9", "9")
    data = place.land("data", [[(at(0), other, HIGH), (at(1), other, HIGH)]])
    out = place.folder / "out"
    assert scoring("score", "--data", data, "--models", place.models, "--out", out).code == 1
    assert table(out, EPISODES_CSV) == []
    (day,) = table(out, DAYS_CSV)
    assert (day["Device"], day["readings"], day["anomalies"], day["last_anomaly"]) == ("9", "2", "0", "")


def test_a_sensor_whose_step_was_killed_has_days_unless_another_try_scores_it(place: Place) -> None:
    data = place.land("data", [ROWS])
    out = place.score(data, "steps", "--key", KEYS[2].encoded)
    for key, status in zip(KEYS, ("failed", "missing"), strict=False):
        sensors = [{"device": key.device, "sensor": key.sensor, "status": status, "reason": "killed"}]
        document = {"version": 1, "step": key.encoded, "sensors": sensors, "landings": []}
        (out / "_steps" / f"{key.encoded}.json").write_text(json.dumps(document))
    scoring("collect", "--data", data, "--models", place.models, "--preds", out, "--exit-zero")
    rows = [(row["Sensor"], row["date"], row["readings"], row["rejected"]) for row in table(out, DAYS_CSV)]
    assert rows == [
        ("1", "2026-01-01", "60", "0"),
        ("2", "2026-01-01", "0", "1"),
        ("2", "2026-01-04", "0", "1"),
        ("é", "2026-01-01", "30", "0"),
    ]


def test_a_sensor_without_a_model_is_counted_by_the_first_try_only(place: Place) -> None:
    data = place.land("data", [[*ROWS, (at(0), SensorKey("9", "9"), NORMAL)]])
    landing = {"name": "0.csv", "etag": "0x1", "size": (data / "0.csv").stat().st_size}
    counted = []
    for name, listed in (("first", {}), ("second", {"sensors": [KEYS[0].encoded]})):
        manifest = place.folder / f"{name}.json"
        manifest.write_text(json.dumps({"version": 1, "run": name, "landings": [landing]} | listed))
        out = place.score(data, name, "--manifest", manifest, "--key", KEYS[0].encoded)
        given = ("--data", data, "--models", place.models, "--preds", out)
        assert scoring("collect", *given, "--manifest", manifest, "--exit-zero").code == 0
        counted.append([row["readings"] for row in table(out, DAYS_CSV) if row["Device"] == "9"])
    assert counted == [["1"], []]


def test_an_outcome_of_an_earlier_version_gives_neither_days_nor_episodes(place: Place) -> None:
    data = place.land("data", [ROWS[:60]])
    out = place.score(data, "out", "--shard", "0/1")
    (path,) = (out / "_steps").glob("*.json")
    outcome = json.loads(path.read_bytes())
    for sensor in outcome["sensors"]:
        for name in ("gap", "days", "episodes"):
            del sensor[name]
    path.write_text(json.dumps(outcome))
    assert scoring("collect", "--data", data, "--models", place.models, "--preds", out).code == 0
    assert (table(out, EPISODES_CSV), table(out, DAYS_CSV)) == ([], [])
