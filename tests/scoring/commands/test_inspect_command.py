"""`inspect` shows what files hold, at 80 columns, and the option that reads them."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.keys import SensorKey
from tests.scoring.run_command import scoring

HEADER = "TS,Device,Sensor,Value\n"


def minutes(count: int, *, sensor: str = "1", skip: range = range(0)) -> str:
    rows = (f"2026-01-01 {n // 60:02}:{n % 60:02}:00,1,{sensor},{n}\n" for n in range(count) if n not in skip)
    return "".join(rows)


READ_AS_UTC = (
    "times without an offset are read as UTC: ts-zone=NAME, such as Europe/Berlin, if they are local times"
)


def named_after_the_file(device: str) -> str:
    what = f"the device is '{device}', the name of the file"
    return f"{what}: device-is=NAME if files of other names are of the same machine"


def checks(out: str) -> list[str]:
    """What is to be checked, each in one line."""
    found = re.findall(r"^  check +(.*(?:\n {12}.*)*)", out, re.MULTILINE)
    return [" ".join(text.split()) for text in found]


def test_sensors_times_gaps_rejects_and_models_are_shown(tmp_path: Path) -> None:
    data, models = tmp_path / "readings.csv", tmp_path / "models"
    rejects = "yesterday,1,1,5\n2026-01-01,1,1,n/a\n2026-01-01,1,1,n/a\n"
    data.write_text(HEADER + minutes(120, skip=range(20, 50)) + minutes(60, sensor="2") + rejects)
    models.mkdir()
    for key in (SensorKey("1", "1"), SensorKey("9", "9")):
        (models / key.model_name).write_bytes(b"x")
    done = scoring("inspect", data, "--models", models)
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "readings  150 of 2 sensors of 1 device" in done.out
    assert "time      2026-01-01 00:00:00 to 2026-01-01 01:59:00 UTC (1 h 59 min)" in done.out
    assert "interval  1 min; 1 gap, the longest 31 min (sensor 1/1)" in done.out
    assert "rejected  3 (2.0 %)" in done.out
    assert "value: 2, the first is readings.csv line 153: Value 'n/a'" in " ".join(done.out.split())
    assert "models    1 of 2 sensors have one; without: 1/2" in done.out
    assert "1 model of sensors that are not in here" in done.out
    assert "none is needed" in done.out
    assert done.out.splitlines()[-2].split() == ["1", "1", "90", "1", "min", "1", "yes"]


def test_a_file_of_another_layout_is_shown_as_its_mapping_reads_it(tmp_path: Path) -> None:
    data = tmp_path / "pump.csv"
    data.write_text("Zeit;a;b\n13.01.2026 10:00;1,5;2\n13.01.2026 10:01;1,6;\n", "cp1252")
    done = scoring("inspect", data)
    assert done.code == 0
    option = '--mapping "ts=Zeit ts-format=day-first device-from=file wide decimal=comma"'
    assert option in done.out
    assert "it cannot be read as it is: no column TS in 'Zeit,a,b'" in done.out
    assert "readings  3 of 2 sensors of 1 device" in done.out
    assert (
        done.out.splitlines()[-1] == f"next: python -m scoring train --data {data} --models models {option}"
    )


def test_a_column_in_which_rows_of_one_time_differ_is_suggested_as_the_device(tmp_path: Path) -> None:
    data = tmp_path / "hall.csv"
    minutes = [f"13.01.2026 10:0{minute};{name};1,5;2" for minute in range(3) for name in ("West", "Ost")]
    data.write_text("\n".join(["Zeit;Aggregat;a;b", *minutes]))
    done = scoring("inspect", data)
    assert '--mapping "ts=Zeit ts-format=day-first device=Aggregat wide decimal=comma"' in done.out
    assert "readings  12 of 4 sensors of 2 devices" in done.out
    assert checks(done.out) == [READ_AS_UTC]


def test_a_column_of_few_integers_in_which_rows_of_one_time_differ_is_suggested_as_the_device(
    tmp_path: Path,
) -> None:
    data = tmp_path / "hall.csv"
    rows = [
        f"2026-01-01 10:{n:02}:00,{1000 + n},{unit},{unit + n / 10}" for n in range(30) for unit in (1, 2, 3)
    ]
    data.write_text("\n".join(["TS,RPM,Unit,Temp", *rows]))
    done = scoring("inspect", data)
    assert '--mapping "device=Unit wide"' in done.out
    assert "readings  180 of 6 sensors of 3 devices" in done.out
    assert checks(done.out) == [READ_AS_UTC]
    assert "repeated" not in done.out


SENSORS_IN_ROWS = {
    "texts": ("Device,Punkt,Wert", "sensor=Punkt value=Wert", "{d},P{s},{v}.5"),
    "whole numbers": ("Device,Nr,Wert", "sensor=Nr value=Wert", "{d},{s},{v}.5"),
    "the value beside others": ("Device,Punkt,Status,Wert", "sensor=Punkt value=Wert", "{d},P{s},0,{v}.5"),
    "both without a name": ("Name,Punkt,Wert", "device=Name sensor=Punkt value=Wert", "m{d},P{s},{v}.5"),
    "both as whole numbers": ("A,B,Wert", "device=A sensor=B value=Wert", "{d},{s},{v}.5"),
}


@pytest.mark.parametrize("case", SENSORS_IN_ROWS)
def test_sensors_in_rows_are_found_in_a_column_of_any_name(tmp_path: Path, case: str) -> None:
    titles, words, row = SENSORS_IN_ROWS[case]
    data = tmp_path / "hall.csv"
    rows = [
        f"2026-01-01 00:{n:02}:00," + row.format(d=d, s=s, v=n + 10 * s)
        for n in range(30)
        for d in (1, 2)
        for s in (1, 2, 3)
    ]
    data.write_text("\n".join([f"TS,{titles}", *rows]))
    out = " ".join(scoring("inspect", data).out.split())
    assert f'--mapping "{words}"' in out
    assert "readings 180 of 6 sensors of 2 devices" in out
    assert "repeated" not in out
    unnamed = (
        "check only 'Name' and 'Punkt' together distinguish rows of one time: check which names the device"
    )
    assert (unnamed in out) == ("Name" in titles)


def test_one_column_of_numbers_beside_texts_is_to_be_checked(tmp_path: Path) -> None:
    data = tmp_path / "hall.csv"
    rows = [f"2026-01-01 00:{n:02}:{s:02},P{s},{n}.5" for n in range(30) for s in (1, 2, 3)]
    data.write_text("\n".join(["TS,Punkt,Wert", *rows]))
    out = " ".join(scoring("inspect", data).out.split())
    assert "only one column holds numbers: if another names sensors, sensor=NAME value=NAME" in out


def test_machines_that_are_not_distinguished_in_the_first_rows_are_not_merged_silently(
    tmp_path: Path,
) -> None:
    data = tmp_path / "hall.csv"
    rows = [f"2026-01-01 {n // 60:02}:{n % 60:02}:00,{unit},{n / 10}" for unit in (1, 2) for n in range(300)]
    data.write_text("\n".join(["TS,Unit,Temp", *rows]))
    out = " ".join(scoring("inspect", data).out.split())
    assert "few whole numbers in 'Unit'; if one names the device, device=NAME and not device-from=file" in out
    assert (
        "repeated 600 readings with the time of another of the same sensor: several machines in one?" in out
    )
    distinguished = scoring("inspect", data, "--mapping", "device=Unit wide")
    assert "readings  600 of 2 sensors of 2 devices" in distinguished.out
    assert "repeated" not in distinguished.out


def test_names_of_sensors_without_values_are_not_suggested_as_the_values_of_a_sensor(tmp_path: Path) -> None:
    data = tmp_path / "hall.csv"
    rows = [f"2026-01-01 10:0{n}:00,1,{sensor}" for n in range(5) for sensor in (1, 2)]
    data.write_text("\n".join(["TS,Device,Sensor", *rows, ""]))
    done = scoring("inspect", data)
    out = " ".join(done.out.split())
    assert (done.code, "no column holds values: 'Sensor' names the sensors" in out) == (1, True)
    assert "wide" not in out
    assert "next:" not in out


def test_rows_of_one_time_that_no_column_distinguishes_are_to_be_checked(tmp_path: Path) -> None:
    data = tmp_path / "hall.csv"
    rows = [f"2026-01-01 10:0{n}:00,plant,{n}.5" for n in range(5) for _ in range(2)]
    data.write_text("\n".join(["TS,Device,Temp", *rows, ""]))
    out = " ".join(scoring("inspect", data).out.split())
    assert (
        "check 5 of the first 10 rows have the time and device of another: if a column distinguishes "
        "machines, device=NAME; if one names sensors, sensor=NAME value=NAME in place of wide=" in out
    )


def test_a_column_of_numbers_with_units_is_named_where_it_would_not_be_read(tmp_path: Path) -> None:
    data = tmp_path / "hall.csv"
    data.write_text("TS,Device,Temp,Flow\n2026-01-01,1,1.5 °C,2\n2026-01-02,1,1.6 °C,3\n")
    out = " ".join(scoring("inspect", data).out.split())
    assert (
        "column 'Temp' holds '1.5 °C', not a number (a unit after the number?): export numbers alone" in out
    )
    assert "--mapping wide=Flow" in out


def test_a_state_of_zeros_and_ones_and_a_number_that_is_measured_are_no_device(tmp_path: Path) -> None:
    data = tmp_path / "hall.csv"
    rows = [f"2026-01-01 10:{n:02}:00,{n % 2},{1000 + n},{n / 10}" for n in range(40)]
    data.write_text("\n".join(["TS,Valve,RPM,Temp", *rows]))
    out = scoring("inspect", data).out
    assert '--mapping "device-from=file wide"' in out
    assert checks(out) == [named_after_the_file("hall"), READ_AS_UTC]


@pytest.mark.parametrize("given", [(), ("--mapping", "ts=Zeit ts-format=day-first device-from=file wide")])
def test_a_device_from_the_name_of_the_file_is_to_be_checked(tmp_path: Path, given: tuple[str, ...]) -> None:
    data = tmp_path / "press-train.csv"
    data.write_text("Zeit;a\n13.01.2026 10:00;1\n13.01.2026 10:01;2\n")
    done = scoring("inspect", data, *given)
    assert "device-from=file" in done.out
    assert named_after_the_file("press-train") in checks(done.out)
    assert max(map(len, done.out.splitlines()[:-1])) <= 80
    distinct = scoring("inspect", data, "--mapping", "ts=Zeit ts-format=day-first device-is=press wide")
    assert checks(distinct.out) == [READ_AS_UTC]


@pytest.mark.parametrize(
    ("ts", "mapping", "found"),
    [
        ("2026-01-13 10:00:00", "", [READ_AS_UTC]),
        ("2026-01-13 10:00:00Z", "", []),
        ("2026-01-13 10:00:00+01:00", "", []),
        ("2026-01-13 10:00:00", "ts-zone=Europe/Berlin", []),
        ("2026-01-13 10:00:00", "ts-zone=UTC", []),
        ("13.01.2026 10:00", "ts-format=day-first", [READ_AS_UTC]),
        ("13.01.2026 10:00 +01:00", "ts-format=day-first", []),
        ("1767225600", "ts-format=unix-s", []),
    ],
)
def test_times_without_an_offset_and_a_zone_are_noted_as_read_as_utc(
    tmp_path: Path, ts: str, mapping: str, found: list[str]
) -> None:
    data = tmp_path / "a.csv"
    data.write_text(f"{HEADER}{ts},1,1,5\n")
    done = scoring("inspect", data, "--mapping", mapping)
    assert (done.code, checks(done.out)) == (0, found)
    [file] = json.loads(scoring("inspect", data, "--mapping", mapping, "--json").out)["files"]
    assert file["check"] == found


@pytest.mark.parametrize(("zone", "found"), [(None, [READ_AS_UTC]), ("UTC", []), ("Europe/Berlin", [])])
def test_timestamps_of_parquet_without_a_zone_are_noted_as_read_as_utc(
    tmp_path: Path, zone: str | None, found: list[str]
) -> None:
    times = pa.array([0, 1_000], pa.timestamp("ms", zone))
    data = tmp_path / "a.parquet"
    pq.write_table(pa.table({"TS": times, "Device": [1, 1], "Sensor": [1, 1], "Value": [1, 2]}), data)
    assert checks(scoring("inspect", data).out) == found


def test_a_column_of_texts_that_would_not_be_read_is_to_be_checked(tmp_path: Path) -> None:
    data = tmp_path / "hall.csv"
    minutes = [f"13.01.2026 10:0{minute};West;1,5;2" for minute in range(3)]
    data.write_text("\n".join(["Zeit;Aggregat;a;b", *minutes]))
    out = " ".join(scoring("inspect", data).out.split())
    assert "check not read: 'Aggregat'; if it names the device, device=NAME and not device-from=file" in out
    assert "device-from=file wide=a,b" in out


def test_days_and_months_that_can_be_exchanged_are_to_be_checked(tmp_path: Path) -> None:
    data = tmp_path / "a.csv"
    data.write_text("time,device,x\n01/02/2026 10:00,1,1\n01/03/2026 10:00,1,2\n")
    done = scoring("inspect", data)
    assert "can also be read with ts-format=month-first" in " ".join(done.out.split())
    assert "ts-format=day-first" in done.out


def test_files_of_a_folder_that_are_alike_are_shown_together(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.csv").write_text(HEADER + minutes(2))
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml\n")
    done = scoring("inspect", tmp_path)
    assert done.code == 1
    assert "00.csv and 11 more files like it" in done.out
    assert "an Excel workbook: save it as CSV" in " ".join(done.out.split())
    assert scoring("inspect", tmp_path / "00.csv").code == 0


def test_json_has_everything(tmp_path: Path) -> None:
    data = tmp_path / "pump.csv"
    data.write_text("Zeit;a\n13.01.2026 10:00;1,5\n13.01.2026 10:01;1,6\n")
    found = json.loads(scoring("inspect", data, "--json").out)
    assert found["files"][0]["mapping"] == {
        "ts": "Zeit",
        "ts-format": "day-first",
        "device-from": "file",
        "wide": True,
        "decimal": "comma",
    }
    [sensor] = found["sensors"]
    assert (sensor["device"], sensor["sensor"], sensor["interval_seconds"]) == ("pump", "a", 60.0)


@pytest.mark.parametrize("command", ["train", "score", "aggregate", "collect", "inspect"])
def test_an_invalid_mapping_is_a_usage_error_of_each_command(tmp_path: Path, command: str) -> None:
    (tmp_path / "a.csv").write_text(HEADER + minutes(1))
    (tmp_path / "m").mkdir()
    options = {
        "train": ("--data", "a.csv", "--models", "m"),
        "score": ("--data", "a.csv", "--models", "m", "--out", "out"),
        "aggregate": ("--data", "a.csv", "--window", "1m", "--out", "b.csv"),
        "collect": ("--data", "a.csv", "--models", "m", "--preds", "m"),
        "inspect": ("a.csv",),
    }[command]
    paths = [str(tmp_path / word) if word in {"a.csv", "b.csv", "m", "out"} else word for word in options]
    done = scoring(command, *paths, "--mapping", "wid")
    assert done.code == 2
    assert done.err == "error: mapping: 'wid' is unknown: wide?\n"
    missing = scoring(command, *paths, "--mapping", str(tmp_path / "none.json"))
    assert missing.code == 2
    assert "No such file" in missing.err


def test_a_key_of_no_model_and_no_readings_names_the_nearest_models(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + minutes(1))
    models = tmp_path / "models"
    models.mkdir()
    (models / "model_pump-1_1.skops").write_bytes(b"x")
    data = ("--data", tmp_path / "a.csv", "--models", models, "--out", tmp_path / "out")
    done = scoring("score", *data, "--key", "pump1_1")
    assert done.code == 0
    assert "no readings and no model of it; models, nearest first: pump-1_1" in done.err
    assert "nearest" not in scoring("score", *data, "--key", "pump-1_1").err
