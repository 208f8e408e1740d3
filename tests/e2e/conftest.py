"""Fixtures for end-to-end tests on one machine: Azurite, models, a published pipeline, the app in a host."""

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
from dev.demo.marked_processes import kill_marked
from dev.demo.sandbox import REPO, open_sandbox
from pipeline.flow.status import view_run


@pytest.fixture(scope="session")
def small_fleet(tmp_path_factory):
    """Two devices with two sensors each, and trained models; the first test process makes them for all."""
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
def sandbox_for(fleet, more=None, *, publish=True, engine="local"):
    """A sandbox with this fleet's models; it stops every process started in it."""
    mark = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        stack.callback(kill_marked, mark)
        sandbox = open_sandbox(engine, mark, stack, more)
        sandbox.make_containers()
        sandbox.upload_models(fleet)
        if publish:
            sandbox.publish()
        yield sandbox


def scored_directly(landing, fleet, folder):
    """Predictions of `python -m scoring score` for a landing, by file name."""
    readings, out = folder / "readings", folder / "direct"
    target = readings / landing.name
    target.parent.mkdir(parents=True)
    target.write_bytes(landing.file.read_bytes())
    command = [sys.executable, "-m", "scoring", "score", "--data", readings, "--models", fleet.models]
    subprocess.run([*command, "--out", out], cwd=REPO, check=True, capture_output=True)
    return {file.name: file.read_bytes() for file in out.glob("preds_*.csv")}


def wait_for_end(sandbox, run, seconds=60):
    """Wait until a run has finished; returns its record."""
    deadline = time.monotonic() + seconds
    while not (record := view_run(sandbox.context, run).record).state.final:
        assert time.monotonic() < deadline, f"run {run} is still {record.state}"
        time.sleep(0.1)
    return record
