"""The totals of a sensor over several files."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.svm import OneClassSVM

from scoring.keys import SensorKey
from scoring.models.write import save_model
from tests.scoring.run_command import scoring

KEY = SensorKey("1", "1")


def summed_up(folder: Path, *files: list[tuple[str, float]]) -> dict[str, Any]:
    """The sensor's row of the summary where these files, of (TS, Value), were scored; and its predictions."""
    data = folder / "data"
    data.mkdir()
    for number, rows in enumerate(files):
        lines = [f"{ts},1,1,{value}\n" for ts, value in rows]
        (data / f"{number}.csv").write_text("TS,Device,Sensor,Value\n" + "".join(lines))
    save_model(OneClassSVM().fit(np.linspace(40, 60, 50)[:, None]), folder / "models", KEY)
    assert scoring("score", "--data", data, "--models", folder / "models", "--out", folder / "out").code == 0
    (row,) = json.loads((folder / "out" / "summary.json").read_text())["sensors"]
    found: dict[str, Any] = row
    return found


def test_the_lowest_score_is_that_of_all_files(tmp_path: Path) -> None:
    row = summed_up(tmp_path, [("2026-01-01 00:00:00", 90)], [("2026-01-01 00:00:01", 50)])
    with (tmp_path / "out" / KEY.preds_name).open() as file:
        scores = [float(prediction["Score"]) for prediction in csv.DictReader(file)]
    assert scores[0] < scores[1]
    assert row["worst"] == scores[0]


def test_of_two_forms_of_one_time_the_first_in_the_data_is_reported(tmp_path: Path) -> None:
    row = summed_up(tmp_path, [("2026-01-01T00:00:00Z", 50)], [("2026-01-01 00:00:00", 51)])
    assert (row["first"], row["last"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")


def test_first_and_last_are_those_in_time_not_in_order_of_files(tmp_path: Path) -> None:
    row = summed_up(tmp_path, [("2026-01-02 00:00:00", 50)], [("2026-01-01 00:00:00", 51)])
    assert (row["first"], row["last"]) == ("2026-01-01 00:00:00", "2026-01-02 00:00:00")
