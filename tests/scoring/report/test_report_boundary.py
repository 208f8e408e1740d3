"""Where a report draws the boundary of what is normal."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from scoring.cli import main
from scoring.keys import SensorKey
from scoring.models import save_model
from scoring.report.boundary import from_model, from_readings
from scoring.svm import SvmDetector, SvmParameters

SVM = SvmParameters(
    mean=50.0, scale=5.0, kernel="rbf", gamma=0.5, coef0=0.0, degree=3,
    support=np.array([-1.0, 1.0]), dual=np.array([1.0, 1.0]), intercept=-1.0,
)  # fmt: skip


def test_the_model_tells_its_boundary_exactly() -> None:
    detector = SvmDetector(SVM)
    boundary = from_model(detector, np.linspace(40, 60, 50))
    assert boundary is not None
    assert boundary.exact
    ((low, high),) = boundary.normal
    assert low is not None
    assert high is not None
    _, scores = detector.predict(np.array([low, high]))
    assert np.abs(scores).max() < 1e-4
    assert low + high == pytest.approx(100)


def test_the_readings_tell_the_boundary_closely() -> None:
    detector = SvmDetector(SVM)
    shown = np.random.default_rng(0).uniform(30, 70, 2000)
    labels, scores = detector.predict(shown)
    boundary, exact = from_readings(shown, scores, labels == 1), from_model(detector, shown)
    assert boundary is not None
    assert exact is not None
    np.testing.assert_allclose(np.array(boundary.normal, float), np.array(exact.normal, float), atol=1e-3)


def test_a_boundary_that_was_not_seen_is_not_drawn() -> None:
    values_seen = np.array([1.0, 2.0, 3.0])
    assert from_readings(values_seen, np.ones(3), np.zeros(3, bool)) is None
    assert from_readings(values_seen, -np.ones(3), np.ones(3, bool)) is None
    scattered = np.arange(40.0)
    odd = scattered % 2 == 1
    assert from_readings(scattered, np.where(odd, -1.0, 1.0), odd) is None


def test_an_open_side_of_the_normal_values_stays_open() -> None:
    boundary = from_readings(
        np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, -1.0]), np.array([False, False, True])
    )
    assert boundary is not None
    assert boundary.normal == ((None, 2.5),)


def test_one_huge_reading_costs_its_sensor_the_boundary_and_no_run_its_report(tmp_path: Path) -> None:
    save_model(OneClassSVM(kernel="linear").fit([[1.0], [2.0]]), tmp_path / "models", SensorKey("1", "1"))
    (tmp_path / "r.csv").write_text(
        "TS,Device,Sensor,Value\n2026-01-01 00:00:00,1,1,1.5\n2026-01-01 00:00:01,1,1,1.7e308\n"
    )
    command = ["--data", str(tmp_path / "r.csv"), "--models", str(tmp_path / "models")]
    assert main(["score", *command, "--out", str(tmp_path / "out"), "--shard", "0/1"]) == 0
    assert main(["collect", *command, "--preds", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["totals"]["scored"] == 2
