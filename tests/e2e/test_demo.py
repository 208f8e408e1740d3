"""`make run`, as a user sees it."""

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest

from dev.children import end_child, start_child

REPO = Path(__file__).parents[2]

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]


class Demo:
    """A running demo; all of its processes carry this test's mark."""

    def __init__(self, folder, *options):
        self.mark = uuid.uuid4().hex
        command = [sys.executable, "-m", "dev.demo", *map(str, options)]
        environment = {**os.environ, "TEST_MARK": self.mark, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
        self.process = start_child(command, environment=environment, folder=REPO)
        assert self.process.stdout is not None
        self.output = self.process.stdout
        self.lines: list[str] = []
        self.folder = folder

    def read_until(self, pattern):
        for line in self.output:
            self.lines.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return
        pytest.fail(f"no line matches {pattern!r}:\n" + "\n".join(self.lines))

    def end(self):
        self.lines += self.output.read().splitlines()
        self.output.close()
        return end_child(self.process)

    def processes(self):
        """Processes of this demo that are still running."""
        found = []
        for process in psutil.process_iter():
            try:
                # A worker can be recognized by its command line only.
                if process.status() != psutil.STATUS_ZOMBIE and (
                    any(str(self.folder) in word for word in process.cmdline())
                    or process.environ().get("TEST_MARK") == self.mark
                ):
                    found.append(process)
            except psutil.Error:
                pass
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    demos = []

    def start(*options):
        demos.append(Demo(tmp_path_factory.mktemp("temporary"), *options))
        return demos[-1]

    yield start
    for each in demos:
        each.output.close()
        end_child(each.process)
        for process in each.processes():
            process.kill()


def own(fleet, tmp_path):
    """Options for a demo with this fleet."""
    return "--data", fleet.landings[0].file, "--models", fleet.models, "--out", tmp_path / "out"


@pytest.fixture(scope="module")
def two_at_once(demo, small_fleet, tmp_path_factory):
    """A demo without input and, at the same time, one with half of its models; and their output folders."""
    folder = tmp_path_factory.mktemp("two")
    models = folder / "models"
    models.mkdir()
    for file in sorted(small_fleet.models.glob("model_1_*.skops")):
        (models / file.name).write_bytes(file.read_bytes())
    data = small_fleet.landings[0].file
    return (
        (demo("--out", folder / "simulated"), folder / "simulated"),
        (demo("--data", data, "--models", models, "--out", folder / "partial"), folder / "partial"),
    )


def test_one_command_leads_from_nothing_to_predictions(two_at_once):
    (run, out), _ = two_at_once
    assert run.end() == 0, "\n".join(run.lines)
    output = "\n".join(run.lines)
    assert re.search(r"Run blob-[0-9a-f]{32}: 10,\d{3} of 10,\d{3} readings of 15 sensors scored", output)
    assert re.search(r"Run timer-\d{8}-\d{6}.*: 10,\d{3} of 10,\d{3} readings of 15 sensors scored", output)
    assert re.search(r"device +sensor +readings +anomalies", output)
    assert "Message for the operators: sensor 2/3 was anomalous from 2026-01-02 09:43 UTC" in output
    assert "Everything was scored" in run.lines[-1]
    assert "\x1b" not in output
    assert len(list(out.glob("blob-*/preds_*.csv"))) == 15
    assert list(out.glob("timer-*/_SUCCESS"))
    assert "Both runs succeeded" in (out / "index.html").read_text()
    assert 'href="fleet.html"' in (out / "index.html").read_text()
    assert "15 sensors of 3 devices" in (out / "fleet.html").read_text()
    (report,) = out.glob("timer-*/report.html")
    assert "a sweep by the timer at" in report.read_text()
    assert_in_order(output_in_the_readme(), run.lines)
    assert columns_of_predictions(run.lines) == "['TS', 'Device', 'Sensor', 'Val', 'Prediction', 'Score']"
    assert run.processes() == []


def output_in_the_readme():
    """The output of the demo that the README shows."""
    readme = (REPO / "README.md").read_text()
    (block,) = re.findall(r"```text\n(Azurite is running.*?)```", readme, re.DOTALL)
    return block.splitlines()


def assert_in_order(expected, lines):
    """Assert that `lines` contains `expected` in order, apart from run names and numbers.

    Messages arrive when the receiver gets them: they are not in that order.
    """

    def shape(line):
        return re.sub(r"\S*\d\S*", "#", line)

    shapes = [shape(line) for line in lines]
    remaining = iter(shapes)
    for line in expected:
        is_message = line.startswith(("Message for the operators", "  sensor "))
        assert shape(line) in (shapes if is_message else remaining), line


def columns_of_predictions(lines):
    """The columns that the code in the line "Predictions:" reads."""
    (code,) = (line.partition(":")[2].strip() for line in lines if line.startswith("Predictions:"))
    code = code.replace("; ", "; print(list(") + ".columns))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_seed_readings_get_the_expected_labels_from_the_legacy_models(demo, seed, tmp_path):
    run = demo("--data", seed / "sensor_data.csv", "--models", seed / "models", "--out", tmp_path / "out")
    assert run.end() == 0, "\n".join(run.lines)
    assert "17,768 of 17,768 readings of 15 sensors scored" in "\n".join(run.lines)
    (folder,) = tmp_path.glob("out/blob-*")
    for expected in sorted((seed / "expected").glob("1_*.csv")):
        with (
            expected.open(encoding="utf-8") as right,
            (folder / f"preds_{expected.stem}.csv").open() as actual,
        ):
            labels = [row["Prediction"] for row in csv.DictReader(actual)]
            assert labels == [row["Prediction"] for row in csv.DictReader(right)], expected.name


def test_missing_models_are_reported_and_two_demos_at_once_do_not_interfere(two_at_once):
    _, (run, out) = two_at_once
    assert run.end() == 1
    assert "Not everything was scored" in "\n".join(run.lines)
    assert [line for line in run.lines if "no-model" in line] == [
        f"  not scored: sensor 2/{number}: no-model, there is no model_2_{number}.skops: train or upload it"
        for number in (1, 2)
    ]
    assert len(list(out.glob("blob-*/preds_*.csv"))) == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--data", "no/such/file.csv"), "error: no/such/file.csv does not exist: DATA must be"),
        (("--models", "models"), "error: MODELS without DATA"),
        (("--data", "README.md", "--models", "no/such/folder"), "error: no folder no/such/folder"),
        (("--out", "README.md/out"), "error: README.md/out cannot be a folder for predictions"),
    ],
    ids=["no data", "models alone", "no models", "a file in the way"],
)
def test_wrong_options_are_refused_in_one_line_before_anything_starts(demo, options, error):
    run = demo(*options)
    assert run.end() in {1, 2}
    (line,) = run.lines
    assert line.startswith(error)
    assert run.processes() == []


def listening(processes):
    """Addresses on which these processes listen."""
    found = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            connections = process.net_connections()
            found |= {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        ("Azurite is running", signal.SIGINT),
        ("Host started", signal.SIGTERM),
        (r"\w: running", signal.SIGINT),
        (r"\w: running", signal.SIGKILL),
    ],
    ids=["early", "terminated", "while steps run", "killed"],
)
def test_an_interrupted_demo_leaves_nothing_running(demo, small_fleet, tmp_path, moment, how):
    run = demo(*own(small_fleet, tmp_path))
    run.read_until(moment)
    assert listening(run.processes()) <= {"127.0.0.1"}
    run.process.send_signal(how)
    assert run.end() == (-signal.SIGKILL if how is signal.SIGKILL else 130)
    deadline = time.monotonic() + 60
    while remaining := run.processes():
        assert time.monotonic() < deadline, remaining
        time.sleep(0.1)
    assert how is signal.SIGKILL or not list(run.folder.glob("fleet-demo-*"))
