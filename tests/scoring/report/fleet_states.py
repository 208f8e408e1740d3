"""Creates the state of a fleet after some weeks: most sensors normal, two silent, one bad site."""

import gzip
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 28, 5, tzinfo=UTC)
SENSORS_OF_A_SITE = 10
BAD_SITE = "site-7"
SILENT = {("site-12", "flow-3"): 3, ("site-40", "flow-8"): 1}
"""Sensor, and for how many days."""
REJECTED = ("site-3", "flow-0")


def make_state(sensors: int = 1_000, days: int = 30, seed: int = 0) -> dict[str, Any]:
    """The state as JSON."""
    chance = random.Random(seed)
    keys = [(f"site-{i // SENSORS_OF_A_SITE}", f"flow-{i % SENSORS_OF_A_SITE}") for i in range(sensors)]
    return {
        "version": 1,
        "updated": iso(NOW),
        "runs": [],
        "outbox": [],
        "sensors": [_sensor(device, sensor, days, chance) for device, sensor in keys],
    }


def write_state(path: Path, state: dict[str, Any]) -> Path:
    """Store a state as `_fleet/state.json.gz` is."""
    path.write_bytes(gzip.compress(json.dumps(state).encode(), mtime=0))
    return path


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def run_of(day: datetime) -> str:
    return f"timer-{day:%Y%m%d}-050000"


def _sensor(device: str, sensor: str, days: int, chance: random.Random) -> dict[str, Any]:
    silent = SILENT.get((device, sensor), 0)
    bad = device == BAD_SITE
    noisy = chance.random() < 0.05
    rows = []
    for back in range(days - 1, silent - 1, -1):
        day = NOW - timedelta(days=back)
        readings = 288 if back else 60
        anomalies = 0
        if noisy and chance.random() < 0.3:
            anomalies = chance.randint(1, 9)
        if bad and back < 2:
            anomalies = readings // (2 if back else 1)
        rejected = 40 if (device, sensor) == REJECTED and back < 3 else 0
        rows.append([f"{day:%Y-%m-%d}", readings, anomalies, rejected, run_of(day)])
    last = NOW - timedelta(days=silent, minutes=5)
    state: dict[str, Any] = {
        "device": device,
        "sensor": sensor,
        "last_reading": iso(last),
        "last_anomaly": next((f"{row[0]}T03:10:00Z" for row in reversed(rows) if row[2]), None),
        "interval_s": 300,
        "gap_s": 1800,
        "model": "ab" * 32,
        "model_since": "2026-10-01T00:00:00Z",
        "silent_since": iso(last) if silent else None,
        "episodes": [],
        "days": rows,
    }
    if bad:
        start = NOW - timedelta(days=1, hours=2)
        state["episodes"] = [
            {
                "id": f"{device}/{sensor}/{iso(start)}",
                "start": iso(start),
                "end": iso(last),
                "readings": 204,
                "peak_ts": iso(start),
                "peak_value": "90",
                "peak_score": "-0.5",
                "direction": "high",
                "state": "open",
                "run": run_of(NOW),
            }
        ]
    return state
