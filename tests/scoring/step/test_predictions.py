"""Files of predictions: complete or absent, and the same bytes for any number of pieces."""

import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import SensorKey
from scoring.csv_quoting import csv_text
from scoring.printable import cell
from scoring.step.predictions import (
    HEADER,
    PARTIAL_PREFIX,
    PredictionFiles,
    format_rows,
    predictions_of_step,
)

KEYS = [SensorKey("1", str(number)) for number in range(5)]


@pytest.mark.parametrize(
    "buffer_bytes", [0, 25, 1 << 20], ids=["no buffer", "a small buffer", "a large buffer"]
)
def test_pieces_become_the_same_files_with_any_buffer(tmp_path: Path, buffer_bytes: int) -> None:
    with PredictionFiles(tmp_path, buffer_bytes) as files:
        for piece in range(4):
            for key in KEYS:
                files.append(key, memoryview(f"{key.sensor}{piece}\n".encode()))
    assert {path.name for path in tmp_path.iterdir()} == {key.preds_name for key in KEYS}
    for key in KEYS:
        rows = "".join(f"{key.sensor}{piece}\n" for piece in range(4))
        assert (tmp_path / key.preds_name).read_bytes() == HEADER + rows.encode()


@pytest.mark.parametrize("buffer_bytes", [0, 1 << 20], ids=["already written", "still buffered"])
def test_a_sensor_that_is_dropped_has_no_file(tmp_path: Path, buffer_bytes: int) -> None:
    with PredictionFiles(tmp_path, buffer_bytes) as files:
        files.append(KEYS[0], memoryview(b"a\n"))
        files.append(KEYS[1], memoryview(b"b\n"))
        files.drop(KEYS[0])
    assert [path.name for path in tmp_path.iterdir()] == [KEYS[1].preds_name]


def test_what_a_killed_step_left_in_its_hidden_folder_is_not_added_to(tmp_path: Path) -> None:
    hidden = tmp_path / f"{PARTIAL_PREFIX}step"
    hidden.mkdir()
    (hidden / KEYS[0].preds_name).write_bytes(b"half a r")
    with predictions_of_step(tmp_path, "step") as files:
        files.append(KEYS[0], memoryview(b"a\n"))
    assert (tmp_path / KEYS[0].preds_name).read_bytes() == HEADER + b"a\n"


def test_more_pieces_than_a_system_accepts_at_once_are_all_written(tmp_path: Path) -> None:
    pieces = [f"{number}\n".encode() for number in range(3_000)]
    with predictions_of_step(tmp_path, "step") as files:
        for piece in pieces:
            files.append(KEYS[0], memoryview(piece))
    assert (tmp_path / KEYS[0].preds_name).read_bytes() == HEADER + b"".join(pieces)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=5)


@given(table=st.lists(st.tuples(texts, texts), min_size=1, max_size=30), data=st.data())
def test_each_row_starts_at_its_offset(table: list[tuple[str, str]], data: st.DataObject) -> None:
    devices, sensors = ([csv_text(text) for text in column] for column in zip(*table, strict=True))
    numbers = [str(number) for number in range(len(table))]
    columns = [pa.array(column) for column in (numbers, devices, sensors, numbers, numbers, numbers)]
    bounds = np.array(sorted({*data.draw(st.sets(st.integers(0, len(table)))), len(table)}))
    rows, places = format_rows(columns, bounds, quoted='"' in "".join(devices + sensors))
    for bound, place in zip(bounds.tolist(), places.tolist(), strict=True):
        rest = bytes(rows[place:]).decode()
        found = list(csv.reader(io.StringIO(rest, newline="")))
        assert [tuple(row[1:3]) for row in found] == [
            (cell(device), cell(sensor)) for device, sensor in table[bound:]
        ]
