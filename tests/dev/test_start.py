"""`make start`: what keeps the app running."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from dev.children import end_child, start_child

REPO = Path(__file__).parents[2]


@pytest.fixture
def started(environment, azurite, tmp_path):
    """The app, kept running on storage of the test's own, up to the line that says so."""
    values = json.loads((REPO / "local.settings.example.json").read_text(encoding="utf-8"))["Values"]
    values |= environment | {"AzureWebJobsStorage": azurite.connection_string}
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    command = [sys.executable, "-m", "dev.start", "--settings", str(file)]
    child = start_child(command, environment={**os.environ, "PYTHONUNBUFFERED": "1"}, folder=REPO)
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        if "Host started" in line:
            break
    yield child, lines
    child.stdout.close()
    end_child(child)


def test_it_makes_the_containers_that_are_missing_and_runs_the_app(started, environment):
    said = "".join(started[1])
    for what in ("DATA", "MODELS", "PREDS", "RUNS"):
        assert f"Made container '{environment[f'SCORING_{what}_CONTAINER']}'." in said
    assert "Development host" in said
    assert "score_on_blob: blobTrigger, container 'data-" in said
    assert "score_on_timer: timerTrigger, schedule '0 */5 * * * *'" in said


@pytest.mark.parametrize("to_group", [True, False], ids=["Ctrl-C, to all", "SIGTERM, to it alone"])
def test_it_ends_with_all_that_it_started(started, to_group):
    child, _ = started
    if to_group:
        os.killpg(child.pid, signal.SIGINT)
    else:
        child.send_signal(signal.SIGTERM)
    rest = child.stdout.read()
    assert child.wait(15) == 0
    assert "Host stopped" in rest
    assert "Traceback" not in rest
