"""A finished run as its steps leave it in storage: summary, episodes and days, made by hand."""

import csv
import io
import json

from scoring.formats import (
    DAY_COLUMNS,
    DAYS_CSV,
    EPISODE_COLUMNS,
    EPISODES_CSV,
    SUCCESS,
    SUMMARY_JSON,
    SUMMARY_VERSION,
)

TOTALS = {"readings": 100, "rejected": 0, "scored": 100, "anomalies": 3, "sensors": 1}
EPISODE = {
    "Device": "1",
    "Sensor": "3",
    "start": "2026-11-22 14:10:00",
    "end": "2026-11-22 14:35:00",
    "readings": "26",
    "peak_TS": "2026-11-22 14:20:00.123456789",
    "peak_Value": "99.50",
    "peak_score": "-inf",
    "direction": "high",
    "gap_s": "360",
    "last_reading": "2026-11-22T23:59:00Z",
}
DAY = {
    "Device": "1",
    "Sensor": "3",
    "date": "2026-11-22",
    "readings": "1440",
    "anomalies": "26",
    "rejected": "2",
    "last_reading": "2026-11-22T23:59:00Z",
    "last_anomaly": "2026-11-22 14:35:00",
}


def write_results(
    preds, run, *, episodes=(EPISODE,), days=(DAY,), sensors=None, landings=(), state="succeeded"
):
    """Write the files of a finished run, `_SUCCESS` last."""
    scored = {
        "device": "1",
        "sensor": "3",
        "status": "scored",
        "reason": None,
        "readings": 100,
        "model": "f00d",
    }
    summary = {
        "version": SUMMARY_VERSION,
        "run": run,
        "state": state,
        "totals": TOTALS,
        "sensors": [scored] if sensors is None else sensors,
        "landings": list(landings),
    }
    preds.put(f"{run}/{SUMMARY_JSON}", json.dumps(summary).encode())
    preds.put(f"{run}/{EPISODES_CSV}", table(EPISODE_COLUMNS, episodes))
    preds.put(f"{run}/{DAYS_CSV}", table(DAY_COLUMNS, days))
    preds.put(f"{run}/{SUCCESS}", b"")


def table(columns, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
