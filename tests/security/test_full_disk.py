"""A disk that is full: a limit on the size of files stands in for it, which fails a write the same way."""

import gzip
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scoring.run_command import scoring

ROOT = Path(__file__).parents[2]


def limited(limit: int, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process whose files cannot become larger than `limit` bytes."""

    def set_limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "scoring", *map(str, words)],
        cwd=ROOT,
        preexec_fn=set_limit,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    readings, models = folder / "readings.csv", folder / "models"
    made = ("simulate", "--devices", 1, "--sensors", 2, "--readings", 500, "--out", readings)
    assert scoring(*made).code == 0
    assert scoring("train", "--data", readings, "--models", models).code == 0
    return readings, models


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def assert_reported(done: subprocess.CompletedProcess[str], file: str) -> None:
    """It failed with a transient error, in one line that names the file."""
    assert done.returncode == 75, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "File too large" in last
    assert file in last


@pytest.mark.parametrize("limit", [100, 20_000])
def test_a_step_leaves_neither_predictions_nor_temporary_files(small, tmp_path, limit):
    readings, models = small
    words = ("score", "--data", readings, "--models", models, "--out", tmp_path, "--shard", "0/1")
    assert_reported(limited(limit, *words), "preds_1_")
    assert files(tmp_path) == set()
    assert scoring(*words).code == 0
    assert {"preds_1_1.csv", "preds_1_2.csv"} <= files(tmp_path)


def test_predictions_of_a_step_before_stay_as_they_were(small, tmp_path):
    readings, models = small
    words = ("score", "--data", readings, "--models", models, "--out", tmp_path, "--key", "1_1")
    assert scoring(*words).code == 0
    before = (tmp_path / "preds_1_1.csv").read_bytes()
    assert_reported(limited(5_000, *words), "preds_1_1.csv")
    assert (tmp_path / "preds_1_1.csv").read_bytes() == before


def test_collect_that_cannot_write_all_does_not_call_the_folder_finished(small, tmp_path):
    readings, models = small
    words = ("score", "--data", readings, "--models", models, "--out", tmp_path)
    assert scoring(*words).code == 0
    assert (tmp_path / "_SUCCESS").exists()
    assert_reported(
        limited(5_000, "collect", "--data", readings, "--models", models, "--preds", tmp_path),
        "report.html",
    )
    assert "_SUCCESS" not in files(tmp_path)
    assert not [name for name in files(tmp_path) if "partial" in name]


def test_a_pack_is_whole_or_not_there(small):
    _, models = small
    assert_reported(limited(1_000, "pack", "--models", models), "models.parquet")
    assert files(models) == {"model_1_1.skops", "model_1_2.skops"}


@pytest.mark.slow
def test_a_model_that_is_trained_is_whole_or_not_there(small, tmp_path):
    readings, _ = small
    assert_reported(
        limited(500, "train", "--data", readings, "--models", tmp_path / "trained"), "model_1_1.skops"
    )
    assert files(tmp_path / "trained") <= {"trained"}


@pytest.mark.slow
def test_a_model_that_is_imported_is_whole_or_not_there(tmp_path):
    legacy = ROOT / "tests" / "scoring" / "legacy" / "models" / "1.9.1"
    source = tmp_path / "legacy"
    source.mkdir()
    (source / "model_1_1").write_bytes((legacy / "svm-rbf.pkl").read_bytes())
    assert_reported(limited(500, "import-models", source, tmp_path / "models"), "model_1_1.skops")
    assert files(tmp_path / "models") == set()


def test_a_small_file_that_unpacks_to_rejects_without_end_does_not_fill_the_disk(small, tmp_path):
    readings, models = small
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_bytes(readings.read_bytes())
    (data / "b.csv.gz").write_bytes(gzip.compress(b"TS,Device,Sensor,Value\n" + b"x\n" * 20_000_000))
    assert (data / "b.csv.gz").stat().st_size < 50_000
    words = ("score", "--data", data, "--models", models, "--out", tmp_path / "out")
    done = scoring(*words, "--max-unpacked-mb", 1)
    assert done.code == 1
    assert "b.csv.gz: it unpacks to more than 1,048,576 bytes: split it" in done.err
    assert (tmp_path / "out" / "rejects.csv").stat().st_size < 50 << 20
    assert len((tmp_path / "out" / "preds_1_1.csv").read_text().splitlines()) == 501
