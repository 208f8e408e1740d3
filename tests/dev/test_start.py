"""`make start` keeps the app running."""

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
    """The app on the test's own containers, and its output up to the line "Host started"."""
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


def test_it_creates_missing_containers_and_runs_the_app(started, environment):
    output = "".join(started[1])
    for name in ("DATA", "MODELS", "PREDS", "RUNS"):
        assert f"Created container '{environment[f'SCORING_{name}_CONTAINER']}'." in output
    assert "Development host" in output
    assert "score_on_blob: blobTrigger, container 'data-" in output
    assert "score_on_timer: timerTrigger, schedule '0 */5 * * * *'" in output


@pytest.mark.parametrize("to_group", [True, False], ids=["Ctrl-C to the group", "SIGTERM to the process"])
def test_a_signal_stops_it_and_everything_that_it_started(started, to_group):
    child, _ = started
    if to_group:
        os.killpg(child.pid, signal.SIGINT)
    else:
        child.send_signal(signal.SIGTERM)
    rest = child.stdout.read()
    assert child.wait(15) == 0
    assert "Host stopped" in rest
    assert "Traceback" not in rest
