"""Where a report draws the boundary of normal values, and how the boundary is stored."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.svm import OneClassSVM

from scoring.cli import main
from scoring.errors import ScoringError
from scoring.formats import BOUNDARIES_JSON, REPORT_HTML, SUCCESS
from scoring.keys import SensorKey
from scoring.models.svm import SvmDetector, SvmParameters
from scoring.models.write import save_model
from scoring.report.boundary import from_model, from_readings
from scoring.report.boundary_file import read_boundaries
from scoring.report.facts import RunFacts
from scoring.report.page import write_report
from tests.scoring.report.finished_runs import MadeRun, MadeSensor

SVM = SvmParameters(
    mean=50.0, scale=5.0, kernel="rbf", gamma=0.5, coef0=0.0, degree=3,
    support=np.array([-1.0, 1.0]), dual=np.array([1.0, 1.0]), intercept=-1.0,
)  # fmt: skip


def test_the_boundary_from_a_model_is_exact() -> None:
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


def test_the_boundary_from_readings_is_close() -> None:
    detector = SvmDetector(SVM)
    readings = np.random.default_rng(0).uniform(30, 70, 2000)
    labels, scores = detector.predict(readings)
    boundary, exact = from_readings(readings, scores, labels == 1), from_model(detector, readings)
    assert boundary is not None
    assert exact is not None
    np.testing.assert_allclose(np.array(boundary.normal, float), np.array(exact.normal, float), atol=1e-3)


def test_a_boundary_that_was_not_found_is_not_drawn() -> None:
    values = np.array([1.0, 2.0, 3.0])
    assert from_readings(values, np.ones(3), np.zeros(3, bool)) is None
    assert from_readings(values, -np.ones(3), np.ones(3, bool)) is None
    scattered = np.arange(40.0)
    odd = scattered % 2 == 1
    assert from_readings(scattered, np.where(odd, -1.0, 1.0), odd) is None


def test_an_open_side_of_the_normal_values_is_drawn_open() -> None:
    boundary = from_readings(
        np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, -1.0]), np.array([False, False, True])
    )
    assert boundary is not None
    assert boundary.normal == ((None, 2.5),)


def test_one_huge_reading_costs_only_the_boundary_of_its_sensor(tmp_path: Path) -> None:
    save_model(OneClassSVM(kernel="linear").fit([[1.0], [2.0]]), tmp_path / "models", SensorKey("1", "1"))
    (tmp_path / "r.csv").write_text(
        "TS,Device,Sensor,Value\n2026-01-01 00:00:00,1,1,1.5\n2026-01-01 00:00:01,1,1,1.7e308\n"
    )
    command = ["--data", str(tmp_path / "r.csv"), "--models", str(tmp_path / "models")]
    assert main(["score", *command, "--out", str(tmp_path / "out"), "--shard", "0/1"]) == 0
    assert main(["collect", *command, "--preds", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["totals"]["scored"] == 2


BIDI = "pump \u202e1"
"""A device with a bidirectional character in its name, which a page shows by its code."""


def trained(models: Path, *keys: SensorKey) -> list[str]:
    """Save a model for each sensor; returns their SHA-256s."""
    estimator = OneClassSVM(nu=0.1, gamma=0.01).fit(np.linspace(45, 55, 50).reshape(-1, 1))
    for key in keys:
        save_model(estimator, models, key)
    return [hashlib.sha256((models / key.model_name).read_bytes()).hexdigest() for key in keys]


def charts(page: Path) -> list[dict[str, object]]:
    text = page.read_text().partition('id="data">')[2].partition("</script>")[0]
    found: list[dict[str, object]] = json.loads(text)["charts"]
    return found


def test_a_report_without_models_keeps_the_exact_boundaries_of_one_with_models(tmp_path: Path) -> None:
    first, bidi = trained(tmp_path / "models", SensorKey("1", "1"), SensorKey(BIDI, "1"))
    values = [44.0, 50.0, 70.0]
    sensors = [
        MadeSensor("1", "1", values, model=first),
        MadeSensor("1", "2", values),
        MadeSensor(BIDI, "1", values, model=bidi),
    ]
    folder = MadeRun(sensors).write(tmp_path / "out")
    assert main(["report", "--preds", str(folder), "--models", str(tmp_path / "models")]) == 0
    with_models = charts(folder / "report.html")
    assert sorted(bool(chart["exact"]) for chart in with_models) == [False, True, True]
    (folder / "report.html").unlink()
    assert charts(write_report(folder, RunFacts(cause="a.csv arrived"))) == with_models


def test_the_boundary_of_another_model_is_not_used(tmp_path: Path) -> None:
    (first,) = trained(tmp_path / "models", SensorKey("1", "1"))
    values = [44.0, 50.0, 70.0]
    folder = MadeRun([MadeSensor("1", "1", values, model=first)]).write(tmp_path / "out")
    assert main(["report", "--preds", str(folder), "--models", str(tmp_path / "models")]) == 0
    MadeRun([MadeSensor("1", "1", values, model="cd" * 32)]).write(folder)
    assert charts(write_report(folder))[0]["exact"] is False


def test_a_run_without_stored_boundaries_estimates_them_from_the_scores(tmp_path: Path) -> None:
    folder = MadeRun([MadeSensor("1", "1", [44.0, 50.0, 70.0])]).write(tmp_path)
    (chart,) = charts(write_report(folder))
    assert chart["normal"]
    assert chart["exact"] is False
    assert not (folder / BOUNDARIES_JSON).exists()


@pytest.mark.parametrize("finish", ["score", "collect"])
def test_a_finished_run_has_its_boundaries_its_report_and_success(tmp_path: Path, finish: str) -> None:
    trained(tmp_path / "models", SensorKey("1", "1"))
    rows = [f"2026-01-01 00:00:0{second},1,1,{value}" for second, value in enumerate((44, 50, 70))]
    (tmp_path / "r.csv").write_text("\n".join(["TS,Device,Sensor,Value", *rows, ""]))
    common = ["--data", str(tmp_path / "r.csv"), "--models", str(tmp_path / "models")]
    out = tmp_path / "out"
    if finish == "score":
        assert main(["score", *common, "--out", str(out)]) == 0
    else:
        assert main(["score", *common, "--out", str(out), "--shard", "0/1"]) == 0
        assert not (out / REPORT_HTML).exists()
        assert main(["collect", *common, "--preds", str(out)]) == 0
    (boundary,) = json.loads((out / BOUNDARIES_JSON).read_text())["boundaries"]
    assert (boundary["device"], boundary["sensor"]) == ("1", "1")
    assert charts(out / REPORT_HTML)[0]["normal"] == boundary["normal"]
    written = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert written[SUCCESS] == max(written.values())


@given(st.binary())
def test_damaged_boundaries_are_reported_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / BOUNDARIES_JSON).write_bytes(content)
    with pytest.raises(ScoringError, match=r"is not the boundaries of a run: .*; delete it, or") as caught:
        read_boundaries(folder)
    assert "\n" not in str(caught.value)
