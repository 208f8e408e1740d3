import io
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring import SensorKey
from scoring.cli import main
from scoring.errors import ReadingsError
from scoring.formats import REJECT_COLUMNS
from scoring.readings.files import Source, read_batches
from scoring.tools.aggregate import WindowMeans
from tests.scoring.peak import run_for_peak

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS = {"1ms": 1, "500ms": 500, "5s": 5000, "1m": 60_000, "1h": 3_600_000, "1d": 86_400_000}


def aggregate(folder: Path, rows, window="5s", *options):
    """Run the command on rows (TS, Device, Sensor, Value as texts); returns its output."""
    data, out = folder / "raw.csv", folder / "means.csv"
    lines = ["TS,Device,Sensor,Value", *(",".join(f'"{text}"' for text in row) for row in rows)]
    data.write_text("\n".join(lines) + "\n")
    assert main(["aggregate", "--data", str(data), "--window", window, "--out", str(out), *options]) == 0
    return out.read_text()


def expected(rows, window):
    """The expected result, by exact fractions: {(end, device, sensor): mean}."""
    values = defaultdict(list)
    for ts, device, sensor, value in rows:
        passed = (datetime.fromisoformat(ts).replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
        end = -(-passed // WINDOWS[window]) * WINDOWS[window]
        values[EPOCH + timedelta(milliseconds=end), device, sensor].append(Fraction(float(value)))
    return {key: float(sum(found) / len(found)) for key, found in sorted(values.items())}


def parsed(text):
    table = pd.read_csv(io.StringIO(text), dtype={"Device": str, "Sensor": str}, keep_default_na=False)
    return {
        (datetime.fromisoformat(ts).replace(tzinfo=UTC), device, sensor): value
        for ts, device, sensor, value in table.itertuples(index=False)
    }


READINGS = st.lists(
    st.tuples(
        st.integers(-90_000_000, 90_000_000).map(
            lambda ms: f"{datetime(2026, 1, 1) + timedelta(milliseconds=ms):%Y-%m-%d %H:%M:%S.%f}"[:-3]  # noqa: DTZ001
        ),
        st.sampled_from(["1", "2", "10", "a,b", 'say ""hi""', "é"]),
        st.sampled_from(["1", "2", "."]),
        st.floats(-1e9, 1e9, allow_nan=False).map(repr),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(rows=READINGS, window=st.sampled_from(list(WINDOWS)))
@example(rows=[("2026-01-01 00:00:00", "1", "1", "0.1")] * 3, window="5s")
def test_means_are_those_of_exact_arithmetic_in_order(tmp_path_factory, rows, window):
    text = aggregate(tmp_path_factory.mktemp("aggregate"), rows, window)
    plain = [(ts, device.replace('""', '"'), sensor, value) for ts, device, sensor, value in rows]
    found, exact = parsed(text), expected(plain, window)
    assert list(found) == list(exact)
    assert list(found.values()) == pytest.approx(list(exact.values()), rel=1e-12, abs=1e-6)


def test_a_mean_has_the_time_of_its_window_end_which_is_inclusive(tmp_path: Path):
    rows = [
        ("2018-08-28 23:00:00.000", "1", "3", "1"),
        ("2018-08-28 23:00:00.001", "1", "3", "2"),
        ("2018-08-28 23:00:05.000", "1", "3", "4"),
        ("2018-08-28 23:00:05.001", "1", "3", "8"),
    ]
    assert aggregate(tmp_path, rows).splitlines() == [
        "TS,Device,Sensor,Value",
        "2018-08-28 23:00:00.000,1,3,1",
        "2018-08-28 23:00:05.000,1,3,3",
        "2018-08-28 23:00:10.000,1,3,8",
    ]


def test_readings_with_another_offset_are_in_windows_of_utc(tmp_path: Path):
    rows = [("2018-08-29T01:00:02+02:00", "1", "3", "2"), ("2018-08-28T23:00:03Z", "1", "3", "4")]
    assert aggregate(tmp_path, rows).splitlines()[1:] == ["2018-08-28 23:00:05.000,1,3,3"]


def test_rows_can_be_in_any_order_and_in_any_files(tmp_path: Path):
    main(["simulate", "--interval", "700ms", "--readings", "400", "--out", str(tmp_path / "raw.csv")])
    header, *lines = (tmp_path / "raw.csv").read_text().splitlines()
    lines = np.random.default_rng(0).permutation(lines).tolist()
    (tmp_path / "files").mkdir()
    for name, part in (("a.csv", lines[:1000]), ("b.csv", lines[1000:])):
        (tmp_path / "files" / name).write_text("\n".join([header, *part]))
    for data in ("raw.csv", "files"):
        options = [
            "--data",
            str(tmp_path / data),
            "--window",
            "5s",
            "--out",
            str(tmp_path / f"of-{data}.csv"),
        ]
        assert main(["aggregate", *options]) == 0
    once, shuffled = (parsed((tmp_path / f"of-{data}.csv").read_text()) for data in ("raw.csv", "files"))
    assert list(once) == list(shuffled)
    assert list(once.values()) == pytest.approx(list(shuffled.values()), rel=1e-14)


def test_means_averaged_again_do_not_change(tmp_path: Path, seed):
    readings = seed / "sensor_data.csv"
    out = tmp_path / "means.csv"
    assert main(["aggregate", "--data", str(readings), "--window", "5s", "--out", str(out)]) == 0
    assert sorted(out.read_text().splitlines()) == sorted(readings.read_text().splitlines())


@given(rows=READINGS, window=st.sampled_from(list(WINDOWS.values())), merge_rows=st.integers(0, 20))
@settings(deadline=None)
def test_merging_often_or_never_gives_the_same_means(tmp_path_factory, rows, window, merge_rows):
    path = tmp_path_factory.mktemp("aggregate") / "raw.csv"
    path.write_text("\n".join(["TS,Device,Sensor,Value", *(",".join(f'"{t}"' for t in row) for row in rows)]))
    tables = []
    for means in (WindowMeans(window), WindowMeans(window, merge_rows)):
        for batch in read_batches(Source("raw.csv", path), block_bytes=200):
            means.add(batch)
        tables.append([row for rows in means.batches() for row in rows.to_pylist()])
        assert len(tables[-1]) == means.written
    never, often = ([(*row.values(),) for row in table] for table in tables)
    assert [row[:3] for row in never] == [row[:3] for row in often]
    assert [row[3] for row in never] == pytest.approx([row[3] for row in often], rel=1e-12, abs=1e-6)


def test_too_many_sensors_for_the_shortest_windows_are_refused(tmp_path: Path):
    batch = next(read_batches(Source("one.csv", write_one(tmp_path / "one.csv"))))
    keys = [SensorKey("1", str(i)) for i in range(500_001)]
    with pytest.raises(ReadingsError, match="more than 500,000 sensors in windows of 1 ms"):
        WindowMeans(1).add(batch._replace(keys=keys))


def write_one(path: Path) -> Path:
    path.write_text("TS,Device,Sensor,Value\n2018-08-28 23:00:01,1,3,1.5\n")
    return path


def test_the_largest_numbers_have_means_too(tmp_path: Path):
    rows = [("2018-08-28 23:00:01", "1", "3", "1.7e308"), ("2018-08-28 23:00:07", "1", "3", "8e307")] * 2
    out = aggregate(tmp_path, [*rows[:2], rows[3]])
    assert [float(line.split(",")[3]) for line in out.splitlines()[1:]] == [1.7e308, 8e307]


def test_a_sum_that_overflows_is_left_out_and_reported(tmp_path: Path, capsys):
    rows = "".join(f"2018-08-28 23:00:0{second},1,3,1.7e308\n" for second in (1, 2, 7))
    (tmp_path / "raw.csv").write_text("TS,Device,Sensor,Value\n" + rows)
    options = ["--data", str(tmp_path / "raw.csv"), "--window", "5s", "--out", str(tmp_path / "means.csv")]
    assert main(["aggregate", *options]) == 1
    assert "error: 1 windows left out" in capsys.readouterr().err
    assert (tmp_path / "means.csv").read_text().splitlines()[1:] == ["2018-08-28 23:00:10.000,1,3,1.7e+308"]


BAD_ROWS = [
    ("2018-08-28 23:00:01", "1", "3", "1.5"),
    ("yesterday", "1", "3", "1.5"),
    ("2018-08-28 23:00:01", "1", "3", "nan"),
]


def test_rejected_rows_are_counted_and_the_first_is_shown(tmp_path: Path, capsys):
    aggregate(tmp_path, BAD_ROWS)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("2 rows rejected, the first is raw.csv line 3: TS 'yesterday'")
    assert line.endswith("; --rejects FILE lists them all")


def test_rejected_rows_are_listed_on_request(tmp_path: Path, capsys):
    aggregate(tmp_path, BAD_ROWS, "5s", "--rejects", str(tmp_path / "rejects.csv"), "--json")
    rejects = pd.read_csv(tmp_path / "rejects.csv", dtype=str)
    assert list(rejects.columns) == list(REJECT_COLUMNS)
    assert rejects["kind"].tolist()[0] == "timestamp"
    assert rejects[["file", "line", "device", "sensor"]].to_numpy().tolist() == [
        ["raw.csv", "3", "1", "3"],
        ["raw.csv", "4", "1", "3"],
    ]
    output = capsys.readouterr()
    assert json.loads(output.out) == {"readings": 1, "rejected": 2, "sensors": 1, "means": 1, "too_large": 0}
    assert "--rejects FILE" not in output.err


@pytest.mark.parametrize(
    "mistake",
    [
        (["--window", "5"], 2, "--window: '5' is not a duration"),
        (["--window", "5s", "--out", "means"], 2, "--out means: the name should end in"),
        (["--window", "5s", "--out", "raw.csv"], 2, "lies in --data"),
        (["--window", "5s", "--data", ".", "--out", "means.csv"], 2, "lies in --data"),
        (
            ["--window", "5s", "--data", "nothing.csv"],
            2,
            "nothing.csv: there is no such file or folder",
        ),
        (["--window", "5s", "--data", "empty"], 1, "--data empty: there is no file in this folder"),
        (["--window", "5s", "--data", "other.csv"], 1, "other.csv"),
        (["--window", "5s", "--out", "other.csv/means.csv"], 1, "cannot write"),
        (["--window", "5s", "--rejects", "means.csv"], 2, "the same file"),
        (["--window", "5s", "--rejects", "empty/../raw.csv"], 2, "lies in --data"),
        ([], 2, "--window"),
    ],
)
def test_mistakes_are_reported_in_one_line(tmp_path: Path, monkeypatch, capsys, mistake):
    options, code, expected = mistake
    write_one(tmp_path / "raw.csv")
    (tmp_path / "other.csv").write_text("Zeit,Wert\n1,2\n")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    try:
        assert main(["aggregate", "--data", "raw.csv", "--out", "means.csv", *options]) == code
    except SystemExit as left:
        assert left.code == code  # noqa: PT017
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_memory_grows_with_the_means_and_not_with_the_rows(tmp_path: Path):
    def peak_of(readings: int) -> int:
        raw, means = tmp_path / f"{readings}.csv", tmp_path / f"{readings}-means.csv"
        assert main(["simulate", "--interval", "10ms", "--readings", str(readings), "--out", str(raw)]) == 0
        output, peak = run_for_peak("aggregate", "--data", raw, "--window", "1s", "--out", means)
        assert " means of " in output
        return peak

    rows_alone = 35  # megabytes, as text
    assert peak_of(100_000) < peak_of(20_000) + rows_alone
