"""Scoring everything into a folder that has earlier results: they stay until there are new ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.collect.replace import new_results
from scoring.models.write import save_model
from tests.scoring.run_command import CommandResult, scoring

KEYS = [SensorKey("1", str(number)) for number in range(1, 4)]


class Place:
    """Models of three sensors, and the folder for results."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.models, self.out = folder, folder / "models", folder / "out"
        normal = np.random.default_rng(0).normal(50, 10, (50, 1))
        for key in KEYS:
            save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(normal), self.models, key)

    def lay(self, value: str, keys: list[SensorKey] = KEYS) -> Path:
        sensors = [f"{key.device},{key.sensor}" for key in keys]
        rows = [f"2026-01-01 00:00:0{second},{each},{value}" for each in sensors for second in range(9)]
        path = self.folder / "readings.csv"
        path.write_text("\n".join(["TS,Device,Sensor,Value", *rows, ""]))
        return path

    def command(self, data: Path) -> list[object]:
        return ["score", "--data", data, "--models", self.models, "--out", self.out]

    def score(self, data: Path) -> CommandResult:
        return scoring(*self.command(data))

    def files(self) -> dict[str, bytes]:
        paths = (path for path in self.out.rglob("*") if path.is_file())
        return {path.relative_to(self.out).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def unreadable(place: Place) -> Path:
    path = place.folder / "readings.csv"
    path.write_text("Time,What\n1,2\n")
    return path


def damaged(place: Place) -> Path:
    path = place.folder / "readings.csv"
    path.write_bytes(b"\x1f\x8b\x08\x00 not gzip")
    return path


def rejected(place: Place) -> Path:
    return place.lay("Bad")


def without_model(place: Place) -> Path:
    return place.lay("50", [SensorKey("9", "9")])


FAILURES = [unreadable, damaged, rejected, without_model]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_run_that_scores_nothing_leaves_the_earlier_results_as_they_are(place: Place, failure) -> None:
    assert place.score(place.lay("50")).code == 0
    before = place.files()
    result = place.score(failure(place))
    assert result.code == 1
    assert place.files() == before
    assert "-> " not in result.out
    assert f"{place.out} keeps its earlier results" in result.err.splitlines()[-1]


def test_a_file_without_rows_leaves_the_earlier_results_as_they_are(place: Place) -> None:
    assert place.score(place.lay("50")).code == 0
    before = place.files()
    result = place.score(place.lay("50", []))
    assert (result.code, place.files()) == (0, before)
    assert f"{place.out} keeps its earlier results" in result.err.splitlines()[-1]


@pytest.mark.parametrize("failure", FAILURES)
def test_a_run_that_scores_nothing_is_reported_in_a_folder_that_has_no_predictions(
    place: Place, failure
) -> None:
    for _ in range(2):
        result = place.score(failure(place))
        assert (result.code, "keeps" in result.err) == (1, False)
        assert {"summary.json", "report.html", "_SUCCESS"} <= place.files().keys()


def test_new_results_replace_all_files_of_the_earlier_ones_and_no_others(place: Place) -> None:
    place.score(place.lay("50"))
    (place.out / "notes.txt").write_text("mine")
    place.score(place.lay("95", KEYS[:1]))
    found = place.files()
    assert found.pop("notes.txt") == b"mine"
    place.out = place.folder / "fresh"
    place.score(place.folder / "readings.csv")
    assert found == place.files()


class _Interrupts:
    """Raises KeyboardInterrupt before this process's n-th change of a file's name, or removal of a file."""

    def __init__(self) -> None:
        self.after = -1
        sys.addaudithook(self._hook)  # it can be disarmed, not removed

    def _hook(self, event: str, _: object) -> None:
        if self.after >= 0 and event in {"os.rename", "os.remove", "shutil.rmtree"}:
            self.after -= 1
            if self.after < 0:
                raise KeyboardInterrupt


@pytest.fixture(scope="module")
def interrupts() -> Iterator[_Interrupts]:
    hook = _Interrupts()
    yield hook
    hook.after = -1


def test_an_interrupt_at_any_file_leaves_whole_results_or_none_that_look_finished(
    place: Place, interrupts: _Interrupts
) -> None:
    place.score(place.lay("95", KEYS[:2]))
    new = place.files()
    place.score(place.lay("50"))
    old, unfinished, count = place.files(), 0, 0
    while True:
        interrupts.after = count
        code = place.score(place.lay("95", KEYS[:2])).code
        was_interrupted, interrupts.after = interrupts.after < 0, -1
        if not was_interrupted:
            break
        assert code in {0, 130}
        found = {name: content for name, content in place.files().items() if not name.startswith(".")}
        if "_SUCCESS" in found:
            assert found in (old, new)
        else:
            assert "summary.json" not in found or found | {"_SUCCESS": b""} in (old, new)
            unfinished += 1
        count += 1
        assert place.score(place.lay("50")).code == 0
        assert place.files() == old
    assert unfinished > 5
    assert place.files() == new


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_stopped_while_it_reads_leaves_the_earlier_results(place: Place, how) -> None:
    place.score(place.lay("50"))
    before = place.files()
    pipe = place.folder / "pipe"
    os.mkfifo(pipe)  # nobody writes to it, so the process waits for readings
    arguments = [sys.executable, "-m", "scoring", *map(str, place.command(pipe))]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not (place.out / ".partial-all").exists():
            time.sleep(0.01)
        process.send_signal(how)
        process.communicate()
    assert process.returncode in {130, -signal.SIGKILL}
    assert (place.out / ".partial-all").exists() is (how is signal.SIGKILL)
    assert {name: content for name, content in place.files().items() if not name.startswith(".")} == before


def test_of_two_commands_at_once_the_second_is_refused_and_disturbs_nothing(place: Place) -> None:
    place.score(place.lay("50"))
    with new_results(place.out) as new:
        (new / "begun").touch()
        before = place.files()
        second = place.score(place.lay("95", KEYS[:1]))
        assert (second.code, "another command is writing its results there" in second.err) == (1, True)
        assert place.files() == before
    assert place.score(place.folder / "readings.csv").code == 0


def test_a_folder_in_the_way_of_a_file_is_reported_before_anything_is_replaced(place: Place) -> None:
    place.score(place.lay("50"))
    (place.out / "report.html").unlink()
    (place.out / "report.html").mkdir()
    before = place.files()
    result = place.score(place.lay("95", KEYS[:1]))
    assert (result.code, "report.html: it is a folder" in result.err) == (1, True)
    assert place.files() == before
