import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.cli import main
from scoring.tools.simulate import KINDS, Fleet, simulate
from tests.scoring.peak import run_for_peak

NEW_YEAR = 1_767_225_600_000
FLEET = Fleet(
    devices=3, sensors=5, readings=720, interval_ms=5000, start_ms=NEW_YEAR, seed=0, anomaly_rate=0.02
)
ANOMALOUS = replace(FLEET, readings=20_000)


def tables(fleet, **options):
    chunks = list(simulate(fleet, **options))
    return (
        pa.Table.from_batches([chunk.readings for chunk in chunks]),
        pa.Table.from_batches([chunk.labels for chunk in chunks]),
    )


def rows(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def labelled(fleet):
    """Readings and labels joined: every reading once, with its Kind where it is anomalous."""
    readings, labels = (table.to_pandas().astype({"Device": int, "Sensor": int}) for table in tables(fleet))
    return readings.merge(labels, how="outer", on=["TS", "Device", "Sensor"])


@settings(max_examples=40, deadline=None)
@given(
    fleet=st.builds(
        Fleet,
        devices=st.integers(1, 4),
        sensors=st.integers(1, 4),
        readings=st.integers(1, 60),
        interval_ms=st.sampled_from([1, 500, 5000, 7777]),
        start_ms=st.integers(0, NEW_YEAR),
        seed=st.integers(0, 3),
        anomaly_rate=st.sampled_from([0.0, 0.15]),
    ),
    chunk_rows=st.integers(1, 200),
)
def test_chunks_of_any_size_have_the_same_rows(fleet, chunk_rows):
    assert [rows(table) for table in tables(fleet, chunk_rows=chunk_rows)] == [
        rows(table) for table in tables(fleet)
    ]


@given(split=st.integers(1, 719))
@settings(max_examples=20, deadline=None)
def test_a_later_start_continues_the_same_fleet(split):
    few = replace(FLEET, devices=1, sensors=3)
    later = replace(few, readings=720 - split, start_ms=NEW_YEAR + split * 5000)
    parts = zip(tables(replace(few, readings=split)), tables(later), strict=True)
    assert [rows(first) + rows(second) for first, second in parts] == [rows(whole) for whole in tables(few)]


def test_rows_come_in_the_order_of_time_device_and_sensor():
    readings, labels = tables(FLEET)
    for table in (readings, labels):
        keys = [(row[0], row[1], row[2]) for row in rows(table)]
        assert keys == sorted(set(keys))


def test_every_reading_that_did_not_drop_out_is_written():
    joined = labelled(ANOMALOUS)
    assert len(joined) == ANOMALOUS.rows
    assert (joined.Value.isna() == (joined.Kind == "dropout")).all()


def test_another_seed_gives_another_fleet_and_another_day_other_noise():
    values = tables(FLEET)[0]["Value"].to_pylist()
    assert tables(replace(FLEET, seed=1))[0]["Value"].to_pylist() != values
    tomorrow = tables(replace(FLEET, start_ms=NEW_YEAR + 86_400_000))[0]
    assert tomorrow["Value"].to_pylist() != values


def test_a_sensor_follows_a_daily_pattern():
    two_days = replace(FLEET, devices=1, interval_ms=60_000, readings=2 * 1440, anomaly_rate=0)
    for _, sensor in labelled(two_days).groupby("Sensor"):
        hourly = sensor.Value.to_numpy().reshape(2, 24, 60).mean(axis=2)
        assert np.corrcoef(hourly[0], hourly[1])[0, 1] > 0.8
        assert np.ptp(hourly[0]) > 3 * np.abs(hourly[0] - hourly[1]).mean()


@pytest.mark.parametrize("rate", [0, 0.005, 0.15])
def test_the_share_of_anomalous_readings_is_the_requested_one(rate):
    fleet = replace(FLEET, readings=100_000, anomaly_rate=rate)
    assert tables(fleet)[1].num_rows / fleet.rows == pytest.approx(rate, rel=0.1)


def anomalies(fleet):
    """Each anomaly as one frame of its rows, beside what the sensor would have read without it."""
    quiet = labelled(replace(fleet, anomaly_rate=0)).drop(columns="Kind")
    joined = labelled(fleet).merge(quiet, on=["TS", "Device", "Sensor"], suffixes=("", "Normal"))
    noise = quiet.groupby(["Device", "Sensor"]).Value.agg(lambda values: values.diff().std() / 2**0.5)
    joined["Off"] = (joined.Value - joined.ValueNormal) / [
        noise[key] for key in zip(joined.Device, joined.Sensor, strict=True)
    ]
    joined = joined.sort_values(["Device", "Sensor", "TS"])
    begins = (joined.Kind != joined.Kind.shift()) | (joined.TS.diff() != pd.Timedelta(seconds=5))
    return [frame for _, frame in joined.groupby(begins.cumsum()) if isinstance(frame.Kind.iloc[0], str)]


def test_labelled_anomalies_match_their_kind():
    found = dict.fromkeys(KINDS, 0)
    for anomaly in anomalies(replace(ANOMALOUS, readings=800, anomaly_rate=0.1)):
        kind, off = anomaly.Kind.iloc[0], anomaly.Off.to_numpy()
        found[kind] += 1
        match kind:
            case "spike":
                assert len(off) == 1
                assert 9 < abs(off[0]) < 17
            case "level-shift":
                assert np.ptp(off) < 0.1
                assert 9 < abs(off[0]) < 17
            case "drift":
                assert (np.diff(np.abs(off)) > 0).all()
                assert 9 < abs(off[-1]) < 17
            case "stuck":
                assert (anomaly.Value == anomaly.Value.iloc[0]).all()
            case "dropout":
                assert anomaly.Value.isna().all()
    assert min(found.values()) > 10


def test_readings_without_a_label_are_untouched():
    fleet = replace(ANOMALOUS, readings=2000, anomaly_rate=0.15)
    joined = labelled(fleet)
    quiet = labelled(replace(fleet, anomaly_rate=0))
    untouched = joined.Kind.isna()
    assert (joined.Value[untouched] == quiet.Value[untouched]).all()


def run(*options):
    return main(["simulate", "--readings", "50", "--anomaly-rate", "0.1", *map(str, options)])


@pytest.mark.parametrize("name", ["readings.csv", "readings.csv.gz", "readings.parquet"])
def test_the_same_command_writes_the_same_bytes(tmp_path: Path, name):
    for folder in ("one", "two"):
        assert run("--out", tmp_path / folder / name, "--labels", tmp_path / folder / f"labels-{name}") == 0
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()} for folder in ("one", "two")
    )
    assert one == two
    assert one.keys() == {name, f"labels-{name}"}


def test_the_three_formats_have_the_same_readings(tmp_path: Path):
    for ending in ("csv", "csv.gz", "parquet"):
        run("--out", tmp_path / f"readings.{ending}")
    text = (tmp_path / "readings.csv").read_text()
    assert gzip.decompress((tmp_path / "readings.csv.gz").read_bytes()).decode() == text
    assert text.splitlines()[:2] == ["TS,Device,Sensor,Value", "2026-01-01 00:00:00.000,1,1,74.85"]
    table = pa_parquet.read_table(tmp_path / "readings.parquet")
    assert [f"{ts:%Y-%m-%d %H:%M:%S}.000,{d},{s},{v:g}" for ts, d, s, v in rows(table)] == text.splitlines()[
        1:
    ]


def test_the_command_prints_its_totals(tmp_path: Path, capsys):
    assert main(["simulate", "--anomaly-rate", "0", "--out", str(tmp_path / "readings.csv")]) == 0
    assert (
        capsys.readouterr().out
        == f"10,800 readings of 15 sensors, 0 labelled anomalous -> {tmp_path}/readings.csv\n"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--out", "readings.xlsx"], "the name should end in .csv, .csv.gz or .parquet"),
        (["--out", ""], "the name should end in .csv, .csv.gz or .parquet"),
        (["--out", "folder.csv"], "is not a file that can be replaced"),
        (["--out", "a.csv", "--labels", "a.csv"], "the same file"),
        (["--out", "a.csv", "--labels", "b"], "--labels b: the name should end in"),
        (["--out", "a.csv", "--interval", "36500d", "--readings", "3"], "after the year 2261"),
        (
            ["--out", "a.csv", "--interval", "5"],
            "--interval: '5' is not a duration: give a whole number and",
        ),
        (["--out", "a.csv", "--interval", "0s"], "give 1ms to 36500d"),
        (
            ["--out", "a.csv", "--start", "yesterday"],
            "'yesterday' is not a time: give one such as 2026-01-01",
        ),
        (["--out", "a.csv", "--start", "1969-12-31"], "from 1970 to 2261"),
        (["--out", "a.csv", "--start", "9999-12-31T23:59:59-12:00"], "from 1970 to 2261"),
        (["--out", "a.csv", "--devices", "0"], "--devices: '0': give a whole number, 1 or more"),
        (["--out", "a.csv", "--devices", "9999999", "--sensors", "2"], "more than 10,000,000: lower one of"),
        (["--out", "a.csv", "--sensors", "many"], "--sensors: 'many': give a whole number, 1 or more"),
        (["--out", "a.csv", "--anomaly-rate", "0.5"], "--anomaly-rate: '0.5': give a number from 0 to 0.15"),
        (["--out", "a.csv", "--anomaly-rate", "nan"], "give a number from 0 to 0.15"),
        ([], "--out"),
    ],
)
def test_a_usage_error_is_reported_in_one_line(tmp_path: Path, monkeypatch, capsys, options, expected):
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.chdir(tmp_path)
    try:
        assert main(["simulate", *options]) == 2
    except SystemExit as left:
        assert left.code == 2  # noqa: PT017
    assert expected in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path, capsys):
    (tmp_path / "file").touch()
    assert run("--out", tmp_path / "file" / "readings.csv") == 1
    assert "cannot write" in capsys.readouterr().err


def test_millions_of_readings_stream_through_little_memory(tmp_path: Path):
    out = tmp_path / "readings.csv"
    output, peak = run_for_peak("simulate", "--devices", 1000, "--readings", 1000, "--out", out)
    assert output.startswith("4,99")
    assert out.stat().st_size > 150_000_000
    assert peak < 250
