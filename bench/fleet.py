"""How long the page of a fleet takes, how large it is, and how soon a browser shows it.

The states hold 1,000 and 20,000 sensors over 30 and 60 days. `x read` divides the time of
`python -m scoring fleet` by that of a process that only reads the same JSON; `opens` is the time from
navigation to the first row in headless Chromium, if installed. Returns 1 if a budget is exceeded.
"""

import gzip
import json
import sys
import tempfile
from pathlib import Path

from bench.report import best, columns, over_budget, seconds_to_open

ROOT = Path(__file__).resolve().parent.parent
FLEETS = ((1_000, 30), (20_000, 60))
MAX_TIMES_READ = 8

READ = "import gzip, json, sys; json.loads(gzip.open(sys.argv[1]).read())"


def main() -> int:
    """Measure and print; returns 1 if a budget is exceeded."""
    failed: list[str] = []
    print(f"{'sensors':>8} {'days':>5} {'page':>8} {'x read':>7} {'MB':>6} {'opens':>7}")
    for sensors, days in FLEETS:
        with tempfile.TemporaryDirectory() as folder:
            state, page = Path(folder) / "state.json.gz", Path(folder) / "fleet.html"
            state.write_bytes(gzip.compress(json.dumps(make_state(sensors, days)).encode()))
            seconds = best([sys.executable, "-m", "scoring", "fleet", str(state), "--to", str(page)])
            ratio = seconds / best([sys.executable, "-c", READ, str(state)])
            megabytes = page.stat().st_size / 1e6
            opens = seconds_to_open(page, first=".row[data-at]")
        print(f"{sensors:>8,} {days:>5} {columns(seconds, ratio, megabytes, opens)}")
        failed += over_budget(f"{sensors:,} sensors", ratio, MAX_TIMES_READ, megabytes, opens)
    for line in failed:
        print(f"over budget: {line}")
    return bool(failed)


def make_state(sensors: int, days: int) -> dict[str, object]:
    """The state of a fleet: each sensor has other numbers, one in twenty had anomalies, a few are silent."""
    return {
        "version": 1,
        "updated": "2026-11-28T05:00:00Z",
        "sensors": [
            {
                "device": f"device-{i // 5}",
                "sensor": f"s{i % 5}",
                "last_reading": "2026-11-28T04:59:55Z",
                "last_anomaly": None,
                "model": "ab" * 32,
                "silent_since": "2026-11-20T00:00:00Z" if i % 5_000 == 0 else None,
                "episodes": [],
                "days": [
                    [
                        date(day),
                        720 - (i * day) % 50,
                        7 if (i + day) % 20 == 0 else 0,
                        0,
                        f"blob-{i // 5:032x}-{day}",
                    ]
                    for day in range(days)
                ],
            }
            for i in range(sensors)
        ],
    }


def date(day: int) -> str:
    """One of the 60 days up to the state's, counted from the first of October."""
    return f"2026-{10 + day // 30}-{day % 30 + 1:02}"


if __name__ == "__main__":
    sys.exit(main())
