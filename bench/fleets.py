"""What scoring costs beyond the rows themselves, as ratios of processor time of whole processes.

  files     10,000 files of ten rows, scored; beside one pyarrow process that only reads them
  shards    2,000 sensors x 720 readings in two shards with `collect`; beside all at once
  wide      20,000 sensors x 24 readings; beside 600 sensors x 800, as many rows
  parquet   2,000 sensors x 720 readings; beside the same rows as CSV

Returns 1 if a budget is exceeded.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES, ROWS = 10_000, 10
BUDGETS = {"files": 3.0, "shards": 2.0, "wide": 9.0, "parquet": 1.1}
ROUNDS = 3

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
    """Models for 200 devices with 100 sensors each, copies of a few, packed."""
    history, trained = place / "history.csv", place / "trained"
    simulate(history, devices=1, sensors=15, readings=720)
    processor_seconds([*module("train"), "--data", str(history), "--models", str(trained)])
    contents = [path.read_bytes() for path in sorted(trained.iterdir())]
    models.mkdir()
    for device in range(1, 201):
        for sensor in range(1, 101):
            content = contents[(device + sensor) % len(contents)]
            (models / f"model_{device}_{sensor}.skops").write_bytes(content)
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
    """A fleet in two shards with `collect`, beside all of it at once."""
    data = place / "fleet.csv"
    simulate(data, devices=20, sensors=100, readings=720)
    whole = least(score(data, models, place, "--shard", "0/1"))
    collect = [
        *module("collect"),
        "--data",
        str(data),
        "--models",
        str(models),
        "--preds",
        str(place / "out"),
    ]
    parts = [least(score(data, models, place, "--shard", shard)) for shard in ("0/2", "1/2")]
    return (sum(parts) + least(collect)) / (whole + least(collect))


def wide_ratio(place: Path, models: Path) -> float:
    """Many sensors with few readings, beside as many rows of few sensors."""
    wide, narrow = place / "wide.csv", place / "narrow.csv"
    simulate(wide, devices=200, sensors=100, readings=24)
    simulate(narrow, devices=6, sensors=100, readings=800)
    seconds = [least(score(data, models, place, "--shard", "0/1")) for data in (wide, narrow)]
    return seconds[0] / seconds[1]


def parquet_ratio(place: Path, models: Path) -> float:
    """Parquet, beside the same rows as CSV."""
    simulate(place / "fleet.parquet", devices=20, sensors=100, readings=720)
    seconds = [
        least(score(place / name, models, place, "--shard", "0/1")) for name in ("fleet.parquet", "fleet.csv")
    ]
    return seconds[0] / seconds[1]


def simulate(out: Path, *, devices: int, sensors: int, readings: int) -> None:
    """Simulate a fleet."""
    size = ["--devices", str(devices), "--sensors", str(sensors), "--readings", str(readings)]
    processor_seconds([*module("simulate"), *size, "--out", str(out)])


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
