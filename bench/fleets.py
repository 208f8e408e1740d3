"""What scoring costs beyond the rows themselves, as ratios of processor time of whole processes.

  files     10,000 files of ten rows, scored; beside one pyarrow process that only reads them
  shards    10,000 sensors x 720 readings in two shards with `collect`; beside all at once
  wide      10,000 sensors x 48 readings; beside 600 sensors x 800, as many rows
  parquet   2,000 sensors x 720 readings; beside the same rows as CSV

Each sensor repeats the readings of one of 15 simulated sensors, from another reading on, and has the model
that was trained on them. One reading in a hundred is doubled: as many are anomalies as in a fleet with models
of its own.

Returns 1 if a budget is exceeded.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from scoring.tools.tables import READINGS_SCHEMA, table_writer  # noqa: E402

FILES, ROWS = 10_000, 10
HISTORY = "history.csv"
TRAINED, READINGS = 15, 800
"""Sensors that models are trained on, and how many readings of each there are."""
STEPS = 20
"""Readings of each sensor that are written at once."""
ANOMALOUS = 100
"""One reading in this number is an anomaly."""
BUDGETS = {"files": 3.0, "shards": 1.5, "wide": 9.0, "parquet": 1.0}
ROUNDS = 2
PARQUET_ROUNDS = 6

READ = """
import sys, pathlib, pyarrow.csv as csv
print(sum(csv.read_csv(path).num_rows for path in sorted(pathlib.Path(sys.argv[1]).iterdir())))
"""


def main() -> int:
    """Measure and print; returns 1 if a budget is exceeded."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        models = place / "models"
        make_models(place, models)
        ratios = {
            "files": files_ratio(place, models),
            "shards": shards_ratio(place, models),
            "wide": wide_ratio(place, models),
            "parquet": parquet_ratio(place, models),
        }
    for name, ratio in ratios.items():
        print(f"{name:8} {ratio:5.2f} (budget {BUDGETS[name]:g})")
    return 0 if all(ratio <= BUDGETS[name] for name, ratio in ratios.items()) else 1


def make_models(place: Path, models: Path) -> None:
    """Models for 100 devices with 100 sensors each, copies of a few, packed."""
    history, trained = place / HISTORY, place / "trained"
    size = ["--devices", "1", "--sensors", str(TRAINED), "--readings", str(READINGS), "--anomaly-rate", "0"]
    processor_seconds([*module("simulate"), *size, "--out", str(history)])
    processor_seconds([*module("train"), "--data", str(history), "--models", str(trained)])
    contents = [(trained / f"model_1_{number}.skops").read_bytes() for number in range(1, TRAINED + 1)]
    models.mkdir()
    for device in range(100):
        for sensor in range(100):
            content = contents[(device + sensor) % TRAINED]
            (models / f"model_{device + 1}_{sensor + 1}.skops").write_bytes(content)
    processor_seconds([*module("pack"), "--models", str(models)])


def files_ratio(place: Path, models: Path) -> float:
    """Many small files, beside reading them with pyarrow."""
    data = place / "files"
    data.mkdir()
    for number in range(FILES):
        rows = (f"2026-01-01 {row:02}:00:00,1,{row + 1},{20 + row / 8}\n" for row in range(ROWS))
        (data / f"{number:06}.csv").write_text("TS,Device,Sensor,Value\n" + "".join(rows))
    return least(score(data, models, place)) / least([sys.executable, "-c", READ, str(data)])


def shards_ratio(place: Path, models: Path) -> float:
    """A fleet in two shards with `collect`, beside all of it at once, with its summary and report too."""
    data = place / "large.csv"
    write_fleet(data, devices=100, sensors=100, readings=720)
    in_parts, at_once = [], []
    for number in range(ROUNDS):
        parts = place / f"parts-{number}"  # a new folder: see `parquet_ratio`
        steps = [score(data, models, parts, "--shard", shard) for shard in ("0/2", "1/2")]
        paths = {"--data": data, "--models": models, "--preds": parts / "out"}
        collect = [*module("collect"), *(str(word) for option in paths.items() for word in option)]
        in_parts.append(sum(map(processor_seconds, [*steps, collect])))
        at_once.append(processor_seconds(score(data, models, place / f"at-once-{number}")))
    return min(in_parts) / min(at_once)


def wide_ratio(place: Path, models: Path) -> float:
    """Many sensors with few readings, beside as many rows of few sensors."""
    wide, narrow = place / "wide.csv", place / "narrow.csv"
    write_fleet(wide, devices=100, sensors=100, readings=48)
    write_fleet(narrow, devices=6, sensors=100, readings=800)
    seconds = [least(score(data, models, place, "--shard", "0/1")) for data in (wide, narrow)]
    return seconds[0] / seconds[1]


def parquet_ratio(place: Path, models: Path) -> float:
    """Parquet, beside the same rows as CSV."""
    fleets = place / "fleet.parquet", place / "fleet.csv"
    for data in fleets:
        write_fleet(data, devices=20, sensors=100, readings=720)
    # Alternating, each time into a new folder: file systems are slow to reuse space that was just freed.
    seconds = [
        [
            processor_seconds(score(data, models, place / f"{data.name}-{number}", "--shard", "0/1"))
            for data in fleets
        ]
        for number in range(PARQUET_ROUNDS)
    ]
    return min(parquet for parquet, _ in seconds) / min(csv for _, csv in seconds)


def write_fleet(out: Path, *, devices: int, sensors: int, readings: int) -> None:
    """Write readings that fit the models, but for one in `ANOMALOUS`."""
    history = pa_csv.read_csv(out.with_name(HISTORY))
    grid = history["Value"].to_numpy().reshape(READINGS, TRAINED)
    times = history["TS"].to_numpy().reshape(READINGS, TRAINED)[:, 0].astype("datetime64[ms]")
    device, sensor = (index.ravel() for index in np.indices((devices, sensors), np.int32))
    trained, first = (device + sensor) % TRAINED, np.arange(devices * sensors) % READINGS
    with table_writer(out, READINGS_SCHEMA) as write:
        for start in range(0, readings, STEPS):
            steps = np.arange(start, min(start + STEPS, readings))
            places = steps[:, None] + first
            values = grid[places % READINGS, trained] * np.where(places % ANOMALOUS, 1, 2)
            columns = [
                pa.array(np.repeat(times[steps], len(first))),
                names(np.tile(device, len(steps)), devices),
                names(np.tile(sensor, len(steps)), sensors),
                pa.array(values.ravel()),
            ]
            write(pa.RecordBatch.from_arrays(columns, schema=READINGS_SCHEMA))


def names(codes: np.ndarray, count: int) -> pa.DictionaryArray:
    """Devices or sensors 1, 2, 3, ... of these codes."""
    return pa.DictionaryArray.from_arrays(codes, [str(number) for number in range(1, count + 1)])


def score(data: Path, models: Path, place: Path, *more: str) -> list[str]:
    """The command line that scores."""
    out = str(place / "out")
    return [*module("score"), "--data", str(data), "--models", str(models), "--out", out, *more]


def module(command: str) -> list[str]:
    """The command line of a `scoring` command."""
    return [sys.executable, "-m", "scoring", command]


def least(command: Sequence[str]) -> float:
    """The least processor time of a few rounds: what disturbs only adds to it."""
    return min(processor_seconds(command) for _ in range(ROUNDS))


def processor_seconds(command: Sequence[str]) -> float:
    """Processor seconds of a process that must not fail for its options."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in {0, 1}, command  # 1: sensors without a model or without readings
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode is cached, as that of the libraries
    sys.exit(main())
