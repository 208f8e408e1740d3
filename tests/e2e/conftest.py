"""The whole chain on one machine: Azurite, models, a published pipeline, the app in its host."""

import contextlib
import fcntl
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev.demo.fleet import Fleet, Landing, simulated_fleet
from dev.demo.leftovers import end_marked
from dev.demo.stage import REPO, set_stage
from pipeline.flow.status import look


@pytest.fixture(scope="session")
def small_fleet(tmp_path_factory):
    """Two devices of two sensors each, with trained models: made by the first test process that needs it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small-fleet"
    folder.mkdir(exist_ok=True)
    made = folder / "landings.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            fleet = simulated_fleet(folder, os.environ, print, devices=2, sensors=2)
            made.write_text(json.dumps([(str(landing.file), landing.name) for landing in fleet.landings]))
    landings = [Landing(Path(file), name) for file, name in json.loads(made.read_text())]
    return Fleet(landings, folder / "models")


@contextlib.contextmanager
def staged(fleet, more=None, *, publish=True, engine="local"):
    """A stage with this fleet's models; all that was started there ends with it."""
    mark = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        stack.callback(end_marked, mark)
        stage = set_stage(engine, mark, stack, more)
        stage.make_containers()
        stage.upload_models(fleet)
        if publish:
            stage.publish()
        yield stage


def scored_directly(landing, fleet, folder):
    """What `python -m scoring score` makes of a landing: predictions by name of their file."""
    readings, out = folder / "readings", folder / "direct"
    target = readings / landing.name
    target.parent.mkdir(parents=True)
    target.write_bytes(landing.file.read_bytes())
    command = [sys.executable, "-m", "scoring", "score", "--data", readings, "--models", fleet.models]
    subprocess.run([*command, "--out", out], cwd=REPO, check=True, capture_output=True)
    return {file.name: file.read_bytes() for file in out.glob("preds_*.csv")}


def wait_for_end(stage, run, seconds=60):
    """The record of a run once it is final."""
    deadline = time.monotonic() + seconds
    while not (record := look(stage.context, run).record).state.final:
        assert time.monotonic() < deadline, f"run {run} is still {record.state}"
        time.sleep(0.1)
    return record
