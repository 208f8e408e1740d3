"""The layouts in which public data sets and databases write sensor readings, each read to its last row."""

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from scoring.mapping_text import parse
from scoring.readings.files import find_sources, read_batches
from tests.scoring.run_command import scoring

LAYOUTS = Path(__file__).parent / "layouts"

type Reading = tuple[str, str, str, float]


@dataclass(frozen=True)
class Layout:
    """A file, the option that reads it, and its readings."""

    file: str
    readings: list[Reading]
    mapping: str = ""
    encoding: str = "utf-8"
    name: str = ""


SKAB = {
    "2020-03-09 10:14:33": (0.0265876, 0.0401108, 1.3302, 0.0546415, 79.3366, 26.0199, 233.062, 32.0),
    "2020-03-09 10:14:34": (0.0261703, 0.0404531, 1.3536, 0.3827375, 79.5158, 26.0258, 236.040, 32.0),
    "2020-03-09 10:14:35": (0.0261995, 0.0394187, 1.54006, 0.7108335, 79.3756, 26.0265, 251.380, 32.0),
}
SKAB_SENSORS = (
    "Accelerometer1RMS,Accelerometer2RMS,Current,Pressure,Temperature,Thermocouple,Voltage,"
    "Volume Flow RateRMS"
)

EXCEL = [
    ("2026-01-31 23:00:00", "Pumpe 1", "Druck (bar)", 1013.25),
    ("2026-01-31 23:00:00", "Pumpe 1", "Temperatur (°C)", 21.5),
    ("2026-01-31 23:01:00", "Pumpe 1", "Druck (bar)", 1013.5),
    ("2026-02-12 23:02:00", "Pumpe 2", "Druck (bar)", 1014.0),
    ("2026-02-12 23:02:00", "Pumpe 2", "Temperatur (°C)", 22.0),
]
BERLIN = "ts=Zeitstempel device=Gerät wide decimal=comma ts-format=day-first ts-zone=Europe/Berlin"

HIVE = [
    ("2026-01-01T00:00:00", "pump 1", "pressure", 1.5),
    ("2026-01-01T00:00:05", "pump 1", "pressure", 1.6),
]

CASES = {
    "NAB": Layout(
        "nab.csv",
        [
            ("2014-02-14 14:30:00", "ec2_cpu", "value", 0.132),
            ("2014-02-14 14:35:00", "ec2_cpu", "value", 0.134),
            ("2014-02-14 14:40:00", "ec2_cpu", "value", 0.134),
            ("2014-02-14 14:45:00", "ec2_cpu", "value", 0.134),
        ],
        "device-from=file wide",
        name="realAWSCloudWatch/ec2_cpu.csv",
    ),
    "SKAB": Layout(
        "skab.csv",
        [
            (ts, "skab", sensor, value)
            for ts, values in SKAB.items()
            for sensor, value in zip(SKAB_SENSORS.split(","), values, strict=True)
        ],
        f"device-from=file wide='{SKAB_SENSORS}'",
    ),
    "wide logs of a plant": Layout(
        "hsu.csv",
        [
            ("2021-06-01 00:00:00", "plant", "Pump A Pressure (bar)", 4.12),
            ("2021-06-01 00:00:00", "plant", "Pump A Flow", 12.5),
            ("2021-06-01 00:00:00", "plant", "Tank Level", 1.8),
            ("2021-06-01 00:00:00", "plant", "Valve 7", 0.0),
            ("2021-06-01 00:00:10", "plant", "Pump A Pressure (bar)", 4.13),
            ("2021-06-01 00:00:10", "plant", "Tank Level", 1.81),
            ("2021-06-01 00:00:10", "plant", "Valve 7", 1.0),
            ("2021-06-01 00:00:20", "plant", "Pump A Pressure (bar)", 4.11),
            ("2021-06-01 00:00:20", "plant", "Pump A Flow", 12.4),
            ("2021-06-01 00:00:20", "plant", "Valve 7", 1.0),
        ],
        "wide device-is=plant",
    ),
    "SQL Server": Layout(
        "sqlserver.csv",
        [
            ("2026-01-01 00:00:00.0000000 +00:00", "1", "3", 10.16),
            ("2026-01-01 02:00:05.1234567 +02:00", "1", "3", 10.17),
            ("2026-01-01 00:00:10.0000000 +00:00", "1", "4", -3.0),
        ],
    ),
    "BigQuery": Layout(
        "bigquery.csv",
        [
            ("2026-01-01 00:00:00 UTC", "1", "3", 10.16),
            ("2026-01-01 00:00:05.123456 UTC", "1", "3", 10.17),
            ("2026-01-01 00:00:10 UTC", "2", "3", -3.0),
        ],
    ),
    "Excel's CSV of a German machine": Layout("excel.csv", EXCEL, f"{BERLIN} encoding=cp1252", "cp1252"),
    "Excel's Unicode text of a German machine": Layout("excel.csv", EXCEL, BERLIN, "utf-16"),
    "InfluxDB's annotated CSV": Layout(
        "influxdb.csv",
        [
            ("2026-01-01T00:00:10Z", "h1", "usage", 12.5),
            ("2026-01-01T00:00:20Z", "h1", "usage", 12.6),
            ("2026-01-01T00:00:10.123456789Z", "h1", "temp", 3.0),
        ],
        "device=host sensor=_field",
    ),
    "Azure Data Explorer": Layout(
        "adx.csv",
        [
            ("2026-01-01T00:00:00.0000000Z", "pump-1", "pressure", 1.5),
            ("2026-01-01T00:00:05.1234567Z", "pump-1", "pressure", 1.6),
            ("2026-01-01T00:00:05.1234567Z", "pump-2", "flow, total", 7.0),
        ],
    ),
    "IoT Hub through Stream Analytics": Layout(
        "iothub.csv",
        [
            ("2026-01-01T00:00:01.0270000Z", "rpi-1", "temperature", 21.5),
            ("2026-01-01T00:00:01.0270000Z", "rpi-1", "humidity", 60.2),
            ("2026-01-01T00:00:02.0270000Z", "rpi-2", "temperature", 22.5),
        ],
        "ts=EventEnqueuedUtcTime wide=temperature,humidity",
    ),
    "epoch milliseconds": Layout(
        "epoch.csv",
        [
            ("2026-01-01 00:00:00", "1", "a", 1.5),
            ("2026-01-01 00:00:05.250", "1", "a", 1.6),
            ("2026-01-01 00:00:10", "2", "a", 1000.0),
        ],
        "ts-format=unix-ms",
    ),
    "SCADA, with the date and the time in two columns": Layout(
        "scada.csv",
        [
            ("2026-02-01 08:00:00", "scada", "Druck", 1.5),
            ("2026-02-01 08:00:00", "scada", "Temperatur", 21.25),
            ("2026-02-01 08:00:10", "scada", "Druck", 1.6),
            ("2026-02-13 08:00:20", "scada", "Druck", 1.7),
            ("2026-02-13 08:00:20", "scada", "Temperatur", 21.5),
        ],
        "ts=Datum,Uhrzeit wide device-from=file decimal=comma ts-format=day-first",
    ),
    "a logger, with the date and the time in two columns": Layout(
        "logger.csv",
        [
            ("2026-02-01 08:00:00", "1", "flow", 1.5),
            ("2026-02-01 08:00:00.500", "2", "flow", 1.6),
            ("2026-02-01 08:00:10Z", "1", "flow", 1.7),
        ],
        "ts=Date,Time",
    ),
    "OSIsoft PI": Layout(
        "pi.csv",
        [
            ("2026-01-13 08:00:00", "pi", "SINUSOID", 1.5),
            ("2026-01-13 08:00:00", "pi", "CDT158", 20.0),
            ("2026-01-13 08:00:10.500", "pi", "SINUSOID", 1.6),
        ],
        "ts-format=day-first device-from=file sensor=Tag",
    ),
    "Ignition": Layout(
        "ignition.csv",
        [
            ("2026-01-13 08:00:00", "ignition", "Tank/Level", 1.5),
            ("2026-01-13 08:00:00", "ignition", "Tank/Temp [°C]", 20.0),
            ("2026-01-13 20:00:10", "ignition", "Tank/Level", 1.6),
        ],
        "ts=t_stamp ts-format=month-first device-from=file wide",
    ),
    "Grafana, for Excel": Layout(
        "grafana.csv",
        [
            ("2026-01-13T08:00:00+00:00", "grafana", "pump-1 temp", 1.5),
            ("2026-01-13T08:00:00+00:00", "grafana", "pump-1 flow", 7.0),
            ("2026-01-13T08:00:10+00:00", "grafana", "pump-1 temp", 1.6),
        ],
        "device-from=file sensor=Series",
    ),
    "a report with lines above the header": Layout(
        "report.csv",
        [
            ("2026-01-13 08:00:00", "report", "Druck [bar]", 1234.5),
            ("2026-01-13 08:00:00", "report", "Temp [°C]", 20.0),
            ("2026-01-13 08:01:00", "report", "Druck [bar]", 1235.5),
            ("2026-01-13 08:01:00", "report", "Temp [°C]", 21.0),
            ("2026-01-14 08:02:00", "report", "Druck [bar]", 999.5),
        ],
        "ts=Zeit wide device-from=file header=4 decimal=comma ts-format=day-first",
        "utf-8-sig",
    ),
    "comments, machines by number, and a delimiter after each row": Layout(
        "machines.csv",
        [
            ("2026-02-01 08:00:00", "1", "Temp", 1.5),
            ("2026-02-01 08:00:00", "1", "RPM", 1000.0),
            ("2026-02-01 08:00:00", "2", "Temp", 2.5),
            ("2026-02-01 08:00:00", "2", "RPM", 1000.0),
            ("2026-02-01 08:00:10", "1", "Temp", 1.6),
            ("2026-02-01 08:00:10", "1", "RPM", 1010.0),
            ("2026-02-01 08:00:10", "2", "Temp", 2.6),
            ("2026-02-01 08:00:10", "2", "RPM", 990.0),
        ],
        "device='Machine no.' wide",
    ),
    "Excel's CSV of an American machine": Layout(
        "excel_us.csv",
        [
            ("2026-01-13 08:00:00", "1", "Pressure", 1234.5),
            ("2026-01-13 08:00:00", "1", "Speed", 12345678.0),
            ("2026-01-13 20:00:10", "1", "Pressure", 999.5),
            ("2026-01-13 20:00:10", "1", "Speed", 7.0),
        ],
        "wide decimal=point ts-format=month-first",
    ),
    "gzip'd folders of a data lake": Layout(
        "hive/site-a.csv", HIVE, name="date=2026-01-01/device=pump%201/part-0.csv.gz"
    ),
}


def write(layout: Layout, folder: Path) -> Path:
    """The file of a layout below a folder, as the source would write it."""
    path = folder / (layout.name or layout.file)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = (LAYOUTS / layout.file).read_bytes().decode().encode(layout.encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return folder


def read(folder: Path, mapping: str) -> list[Reading]:
    sources, unreadable = find_sources(folder, None, mappings=parse(mapping))
    assert unreadable == []
    found: list[Reading] = []
    for source in sources:
        for batch in read_batches(source):
            assert batch.rejects.num_rows == 0, batch.rejects.to_pylist()
            keys = [batch.keys[code] for code in batch.codes]
            rows = zip(batch.ts.to_pylist(), keys, batch.values.tolist(), strict=True)
            found += [(ts, key.device, key.sensor, value) for ts, key, value in rows]
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_layout_is_read_to_its_last_row_with_one_option_or_none(tmp_path: Path, name: str) -> None:
    layout = CASES[name]
    assert read(write(layout, tmp_path), layout.mapping) == layout.readings


@pytest.mark.parametrize("name", [name for name, layout in CASES.items() if layout.mapping])
def test_inspect_suggests_a_mapping_for_each_layout_that_needs_one(tmp_path: Path, name: str) -> None:
    layout = CASES[name]
    folder = write(layout, tmp_path)
    done = scoring("inspect", folder, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    [file] = found["files"]
    words = parse(json.dumps(file["mapping"])).of("")
    suggested = read(folder, json.dumps(file["mapping"]))
    assert words.option.startswith("--mapping ")
    # The zone, and what a plant is called, stand nowhere in a file.
    assert [(sensor, value) for _, _, sensor, value in suggested] == [
        (sensor, value) for _, _, sensor, value in layout.readings
    ]
    assert found["readings"] == len(layout.readings)


@pytest.mark.parametrize("name", CASES)
def test_a_mapping_survives_a_command_line(name: str) -> None:
    mappings = parse(CASES[name].mapping)
    assert parse(mappings.encoded) == mappings
    assert parse(str(mappings.of(""))) == mappings
