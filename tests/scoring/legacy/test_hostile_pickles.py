"""Hostile pickles: none of their code runs, each is rejected in one line, and other files are imported."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from tests.scoring.legacy.hostile_pickles import MARKER, broken_pickles, pickles
from tests.scoring.models.measure import MOST_MEGABYTES, MOST_SECONDS, measured
from tests.scoring.watched import ROOT, WATCH, watched

pytestmark = [pytest.mark.usefixtures("measured"), pytest.mark.slow]


@pytest.fixture(scope="module")
def good() -> bytes:
    values = np.random.default_rng(0).normal(50, 10, (60, 1))
    return pickle.dumps(make_pipeline(StandardScaler(), OneClassSVM()).fit(values))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, good: bytes) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    found = {}
    for number, (name, content) in enumerate([*pickles(), *broken_pickles(good)]):
        found[name] = folder / f"model_{name}_{number}.pkl"
        found[name].write_bytes(content)
    return found


@pytest.mark.parametrize("way", ["reduce-0", "reduce-4", "inst", "obj"])
def test_the_gadgets_run_if_unpickled_and_the_watch_detects_it(tmp_path: Path, way: str) -> None:
    (tmp_path / "gadget").write_bytes(dict(pickles())[f"os-system-{way}"])
    code = f"{WATCH}sys.addaudithook(hook)\nimport pickle; pickle.loads(open('gadget', 'rb').read())"
    command = [sys.executable, "-c", code, str(ROOT), "audit.log", ""]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / MARKER).exists()
    assert "os.system" in (tmp_path / "audit.log").read_text()


def test_hostile_pickles_are_rejected_in_one_line_each_and_nothing_runs(
    tmp_path: Path, files: dict[str, Path], good: bytes
) -> None:
    source, models = tmp_path / "old", tmp_path / "new"
    source.mkdir()
    assert len(files) > 180
    names = ["model_..%2F..%2Fx_1.skops", "model_..%2F..%2Fx_1", *(path.name for path in files.values())]
    (source / names[0]).write_bytes(good)
    (source / names[1]).write_bytes(next(content for _, content in pickles()))
    for path in files.values():
        (source / path.name).hardlink_to(path)
    (source / "model_good_1").write_bytes(good)
    done = watched(tmp_path, [models], "import-models", source, models)
    assert done.returncode == 1
    assert done.stdout == f"imported 1 of {len(names) + 1} models -> {models}\n"
    lines = [line for line in done.stderr.splitlines() if not line.startswith("importing: ")]
    assert len(lines) == len(names)
    for name in names:
        (line,) = [line for line in lines if line.startswith(f"refused {name!r}: ")]
        assert line.isprintable()
        assert len(line) < 1000
    assert [path.name for path in models.iterdir()] == ["model_good_1.skops"]
    assert not list(tmp_path.rglob(f"*{MARKER}*"))


def test_a_pickle_named_like_a_model_fails_its_own_sensor(
    tmp_path: Path, files: dict[str, Path], good: bytes
) -> None:
    models, out, data = tmp_path / "models", tmp_path / "out", tmp_path / "readings.csv"
    models.mkdir()
    keys = [SensorKey(f"../{name}", str(number)) for number, name in enumerate(files)]
    for key, path in zip(keys, files.values(), strict=True):
        (models / key.model_name).hardlink_to(path)
    (tmp_path / "model_good_1").write_bytes(good)
    watched(tmp_path, [models], "import-models", tmp_path / "model_good_1", models)
    rows = [f"2024-01-01 00:00:00,{key.device},{key.sensor},1.5\n" for key in [*keys, SensorKey("good", "1")]]
    data.write_text("TS,Device,Sensor,Value\n" + "".join(rows))
    done = watched(tmp_path, [out], "score", "--data", data, "--models", models, "--out", out)
    assert done.returncode == 1
    summary = json.loads((out / "summary.json").read_text())
    found = {(sensor["device"], sensor["sensor"]): sensor for sensor in summary["sensors"]}
    assert found["good", "1"]["status"] == "scored"
    for key in keys:
        sensor = found[key.device, key.sensor]
        assert sensor["status"] == "failed", key
        assert sensor["reason"].startswith(f"{key.model_name}: ")
        assert sensor["reason"].isprintable()


def test_each_takes_two_seconds_and_300_megabytes_at_most(files: dict[str, Path]) -> None:
    for each in measured("pickle", list(files.values())):
        assert each["error"], each
        assert each["seconds"] < MOST_SECONDS, each
        assert each["megabytes"] < MOST_MEGABYTES, each
