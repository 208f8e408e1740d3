"""A fleet of three sensors that is scored in a second: its models, and readings with one anomaly each."""

import functools
import io
from datetime import UTC, datetime, timedelta

SENSORS = (("1", "1"), ("1", "2"), ("2", "1"))
ROWS = 40


@functools.cache
def models() -> dict[str, bytes]:
    """Models by name; trained once a process."""
    import numpy as np
    import skops.io
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import OneClassSVM

    values = np.random.default_rng(1).normal(20, 1, (200, 1))
    trained = {}
    for shift, (device, sensor) in enumerate(SENSORS):
        detector = make_pipeline(StandardScaler(), OneClassSVM(nu=0.05, gamma=0.1)).fit(values + shift)
        trained[f"model_{device}_{sensor}.skops"] = skops.io.dumps(detector)
    return trained


def readings(rows: int = ROWS) -> bytes:
    """A landing with that many readings of each sensor, one a second; the last of each is an anomaly."""
    start = datetime(2026, 11, 23, 5, tzinfo=UTC)
    text = io.StringIO()
    text.write("TS,Device,Sensor,Value\n")
    for row in range(rows):
        for shift, (device, sensor) in enumerate(SENSORS):
            value = 99.5 if row == rows - 1 else 20 + shift + (row % 7 - 3) / 4
            text.write(f"{start + timedelta(seconds=row):%Y-%m-%d %H:%M:%S},{device},{sensor},{value}\n")
    return text.getvalue().encode()
