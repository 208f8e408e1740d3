"""How long a run's report takes, how large it is, and how soon a browser shows it.

The folders hold 15, 1,000 and 20,000 sensors x 720 readings, as `collect` writes them. `x read` divides the
time of `python -m scoring report` by that of a process that only reads the charted files with pyarrow;
`opens` is the time from navigation to the first chart in headless Chromium, if installed. Returns 1 if a
budget is exceeded.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SENSORS, READINGS = (15, 1_000, 20_000), 720
CHARTED = 1_000

MAX_MEGABYTES, MAX_SECONDS_TO_OPEN, MAX_TIMES_READ = 15, 3, 4
KINDS = 40
"""Number of different series of readings, which the sensors share."""

READ = """
import pathlib, sys
import pyarrow.csv as csv
for path in sorted(pathlib.Path(sys.argv[1]).glob("preds_*.csv"))[:int(sys.argv[2])]:
    csv.read_csv(path)
"""


def main() -> int:
    """Measure and print; returns 1 if a budget is exceeded."""
    failed: list[str] = []
    print(f"{'sensors':>8} {'report':>8} {'x read':>7} {'MB':>6} {'opens':>7}")
    for count in SENSORS:
        with tempfile.TemporaryDirectory() as folder:
            make_run(Path(folder), count)
            command = [sys.executable, "-m", "scoring", "report", "--preds", folder]
            seconds = best(command)
            ratio = seconds / best([sys.executable, "-c", READ, folder, str(CHARTED)])
            megabytes = (Path(folder) / "report.html").stat().st_size / 1e6
            opens = seconds_to_open(Path(folder) / "report.html")
        print(f"{count:>8,} {columns(seconds, ratio, megabytes, opens)}")
        failed += over_budget(f"{count:,} sensors", ratio, MAX_TIMES_READ, megabytes, opens)
    for line in failed:
        print(f"over budget: {line}")
    return bool(failed)


def columns(seconds: float, ratio: float, megabytes: float, opens: float | None) -> str:
    """The figures of a page, in columns."""
    opens_text = "-" if opens is None else f"{opens:.2f} s"
    return f"{seconds:>6.1f} s {ratio:>7.2f} {megabytes:>6.1f} {opens_text:>7}"


def over_budget(
    what: str, ratio: float, most_times: float, megabytes: float, opens: float | None
) -> Iterator[str]:
    """A line for each budget that a page exceeds; `most_times` is that of its ratio to reading alone."""
    if megabytes > MAX_MEGABYTES:
        yield f"{what}: {megabytes:.1f} MB, limit {MAX_MEGABYTES}"
    if opens is not None and opens > MAX_SECONDS_TO_OPEN:
        yield f"{what}: {opens:.1f} s to open, limit {MAX_SECONDS_TO_OPEN}"
    if ratio > most_times:
        yield f"{what}: {ratio:.1f} times reading alone, limit {most_times}"


def best(command: list[str], rounds: int = 3) -> float:
    """The shortest wall time of a command, in seconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def seconds_to_open(page: Path, rounds: int = 3, first: str = ".plot[data-marks]") -> float | None:
    """The shortest time from navigation to the `first` element, a chart; None without a browser."""
    browser_path = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if browser_path is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=browser_path, args=arguments)
        times = []
        for _ in range(rounds):
            # A tall window: the first charts are drawn without scrolling.
            tab = browser.new_page(viewport={"width": 1280, "height": 4000})
            start = time.perf_counter()
            tab.goto(page.as_uri())
            tab.locator(first).first.wait_for()
            times.append(time.perf_counter() - start)
            tab.close()
        browser.close()
    return min(times)


def make_run(folder: Path, count: int) -> None:
    """Write the folder of a finished run: most sensors normal, some with anomalies, a few not scored."""
    kinds = [make_kind(kind) for kind in range(KINDS)]
    rows = []
    for i in range(count):
        device, sensor = f"device-{i // 5}", f"s{i % 5}"
        text, anomalies, worst = kinds[i % KINDS]
        scored = i not in {7, 207, 407}
        name = f"preds_{device}_{sensor}.csv"
        if scored:
            (folder / name).write_bytes(text.replace(b"@", f"{device},{sensor}".encode()))
        rows.append(
            {
                "device": device,
                "sensor": sensor,
                "status": "scored" if scored else "failed",
                "reason": None if scored else "the model is refused",
                "readings": READINGS,
                "rejected": 0,
                "anomalies": anomalies if scored else 0,
                "first": "2026-01-01 00:00:00.000",
                "last": "2026-01-01 00:59:55.000",
                "worst": worst if scored else None,
                "model": "ab" * 32 if scored else None,
                "file": name if scored else None,
            }
        )
    failed = sum(row["status"] == "failed" for row in rows)
    totals = {
        "readings": count * READINGS,
        "scored": (count - failed) * READINGS,
        "rejected": 0,
        "anomalies": sum(int(str(row["anomalies"])) for row in rows),
        "sensors": count,
        "sensors_scored": count - failed,
        "sensors_failed": failed,
        "sensors_without_model": 0,
        "sensors_missing": 0,
        "models_without_readings": 0,
        "landings": 0,
        "landings_read": 0,
    }
    document = {"version": 1, "run": "bench", "totals": totals, "sensors": rows, "landings": []}
    (folder / "summary.json").write_text(json.dumps(document))


def make_kind(kind: int) -> tuple[bytes, int, float]:
    """A file of predictions with `@` in place of its key, its number of anomalies and its lowest score."""
    rng = np.random.default_rng(kind)
    values = np.round(rng.normal(50, 3, READINGS), 2)
    if kind % 4 == 0:
        values[rng.integers(0, READINGS, kind + 1)] += 30
    scores = (rng.uniform(9.99, 10.01, READINGS) - np.abs(values - 50)) / 100
    lines = [
        f"2026-01-01 00:{i // 12:02}:{i % 12 * 5:02}.000,@,{value},{int(score <= 0)},{score!r}"
        for i, (value, score) in enumerate(zip(values.tolist(), scores.tolist(), strict=True))
    ]
    header = "TS,Device,Sensor,Val,Prediction,Score"
    return "\n".join([header, *lines, ""]).encode(), int((scores <= 0).sum()), float(scores.min())


if __name__ == "__main__":
    sys.exit(main())
