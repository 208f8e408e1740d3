"""`import-models`: a folder of legacy files becomes a folder of .skops files."""

import os
import pickle
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.models.files import load_model
from scoring.models.store import ModelStore
from tests.scoring.legacy.imported import imported
from tests.scoring.run_command import scoring

pytestmark = pytest.mark.usefixtures("measured")

PROBE = np.random.default_rng(1).normal(50, 30, 300)


def bare() -> Any:
    return OneClassSVM(gamma=0.01, nu=0.2).fit(readings() / 10)


def scaled() -> Any:
    return make_pipeline(StandardScaler(), OneClassSVM(nu=0.2)).fit(readings())


def readings() -> np.ndarray:
    return np.random.default_rng(0).normal(50, 10, (60, 1))


def test_the_command_imports_valid_files_and_reports_each_other_in_a_line(tmp_path: Path) -> None:
    source, models = tmp_path / "old", tmp_path / "new"
    source.mkdir()
    good = pickle.dumps(scaled())
    names = ("model_1_1", "model_1_2.pkl", "model_1_3.pickle", "model_1_4.joblib", "model_Ünit 7_5.sav")
    for name in names:
        (source / name).write_bytes(good)
    bad = {
        "model_1_1.pkl": "'model_1_1' is a model of the same sensor",
        "model_a_b_c": "its name does not say whose model it is: expected model_DEVICE_SENSOR",
        "model_b": "its name does not say whose model it is",
        "model__1": "Device '' is empty",
        "other.pkl": "its name does not say whose model it is",
        "model_9_1.skops": "it is a .skops file already",
        "model_9_2": "is not a pickle that can be read",
        "model_9_3": "is compressed, and broken",
        "model_9_4": r"ends in evil\x1b[2J.run, which is not a supported detector",
    }
    for name in bad:
        (source / name).write_bytes(good)
    (source / "model_9_2").write_bytes(b"")
    (source / "model_9_3").write_bytes(b"\x1f\x8b broken")
    (source / "model_9_4").write_bytes(b"cevil\x1b[2J\nrun\n.")
    done = scoring("import-models", source, models)
    assert done.code == 1
    assert done.out == f"imported 5 of 14 models -> {models}\n"
    lines = done.err.splitlines()
    assert len(lines) == len(bad)
    for name, reason in bad.items():
        (line,) = [line for line in lines if line.startswith(f"refused {name!r}: ")]
        assert reason in line
    expected = {SensorKey("1", sensor) for sensor in "1234"} | {SensorKey("Ünit 7", "5")}
    assert sorted(ModelStore(models).keys()) == sorted(expected)


def test_the_command_accepts_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "model_1_3.pkl").write_bytes(pickle.dumps(bare()))
    done = scoring("import-models", tmp_path / "model_1_3.pkl", tmp_path / "new", "--json")
    assert (done.code, done.out, done.err) == (0, '{"imported": 1, "refused": 0}\n', "")
    assert sorted(ModelStore(tmp_path / "new").keys()) == [SensorKey("1", "3")]


@pytest.mark.parametrize("ending", ["", ".pkl", ".joblib.gz", ".pkl.z", ".sav.xz", ".gz", ".PKL"])
def test_file_extensions_are_not_part_of_a_sensor(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"model_1_3{ending}").write_bytes(zlib.compress(pickle.dumps(bare())))
    assert scoring("import-models", tmp_path / f"model_1_3{ending}", tmp_path / "new").code == 0
    assert sorted(ModelStore(tmp_path / "new").keys()) == [SensorKey("1", "3")]


@pytest.mark.parametrize("sensor", ["3.5", "3%", "3.saved", "3.old"])
def test_other_dots_are_part_of_a_sensor(tmp_path: Path, sensor: str) -> None:
    (tmp_path / f"model_1_{sensor}.pkl").write_bytes(pickle.dumps(bare()))
    scoring("import-models", tmp_path / f"model_1_{sensor}.pkl", tmp_path / "new")
    assert sorted(ModelStore(tmp_path / "new").keys()) == [SensorKey("1", sensor)]


@pytest.mark.parametrize("more", [".bak", "~", " (copy)", "-old", ".gz.1", "2"])
def test_a_backup_copy_is_not_a_model_of_another_sensor(tmp_path: Path, more: str) -> None:
    (tmp_path / f"model_1_3.5.pkl{more}").write_bytes(pickle.dumps(bare()))
    done = scoring("import-models", tmp_path / f"model_1_3.5.pkl{more}", tmp_path / "new")
    assert done.code == 1
    assert done.err.endswith(
        ": its name continues after the extension: is it a copy? Rename it to model_1_3.5.pkl\n"
    )


def test_an_unreadable_file_is_reported_and_the_others_are_imported(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "model_1_0").mkdir(parents=True)
    (old / "model_1_1").symlink_to("model_1_1")
    (old / "model_1_2").symlink_to("gone")
    os.mkfifo(old / "model_1_3")
    (old / "model_1_4").write_bytes(pickle.dumps(bare()))
    done = scoring("import-models", old, tmp_path / "new")
    assert (done.code, done.out) == (1, f"imported 1 of 4 models -> {tmp_path / 'new'}\n")
    assert [line.split(":")[0] for line in done.err.splitlines()] == [
        "refused 'model_1_1'",
        "refused 'model_1_2'",
        "refused 'model_1_3'",
    ]


def test_a_rejected_pickle_keeps_the_existing_model(tmp_path: Path) -> None:
    (tmp_path / "model_1_3.pkl").write_bytes(pickle.dumps(bare()))
    scoring("import-models", tmp_path / "model_1_3.pkl", tmp_path / "new")
    before = (tmp_path / "new" / "model_1_3.skops").read_bytes()
    damaged = bare()
    damaged._gamma = -0.0001
    (tmp_path / "model_1_3.pkl").write_bytes(pickle.dumps(damaged))
    assert scoring("import-models", tmp_path / "model_1_3.pkl", tmp_path / "new").code == 1
    assert (tmp_path / "new" / "model_1_3.skops").read_bytes() == before


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_nothing_to_import_is_a_usage_error(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    done = scoring("import-models", tmp_path / source, tmp_path / "new")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_the_seed_models_are_all_imported_and_keep_their_numbers(seed: Path, tmp_path: Path) -> None:
    shutil.copytree(seed / "models", tmp_path / "old")
    done = scoring("import-models", tmp_path / "old", tmp_path / "new")
    assert (done.code, done.err) == (0, "")
    models = sorted(ModelStore(tmp_path / "new").keys())
    assert len(models) == 15
    for key in models:
        expected = imported((seed / "models" / f"model_{key.device}_{key.sensor}").read_bytes()).predict(
            PROBE
        )
        found = load_model(tmp_path / "new", key).detector.predict(PROBE)
        assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
