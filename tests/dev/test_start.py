"""`make start` keeps the app running."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from dev.azurite import SERVICES, STANDARD_PORTS, Account, connection_string
from dev.children import end_child, start_child
from dev.start.command import connect_to_own_azurite, server_on

REPO = Path(__file__).parents[2]


@pytest.fixture
def started(request, environment, azurite, tmp_path):
    """The app on the test's own containers, and its output up to a line, by default "Host started"."""
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
        if getattr(request, "param", "Host started") in line:
            break
    yield child, lines, command
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
    child, *_ = started
    if to_group:
        os.killpg(child.pid, signal.SIGINT)
    else:
        child.send_signal(signal.SIGTERM)
    rest = child.stdout.read()
    assert child.wait(15) == 0
    assert "Host stopped" in rest
    assert "Traceback" not in rest


@pytest.mark.parametrize("started", ["Development host", "Worker process started"], indirect=True)
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_ctrl_c_while_it_starts_shows_no_traceback(started, seconds):
    child, *_ = started
    time.sleep(seconds)
    os.killpg(child.pid, signal.SIGINT)
    rest = child.stdout.read()
    assert child.wait(15) in {0, 130}, rest
    assert "Traceback" not in rest
    assert "error:" not in rest


def test_a_second_one_reports_that_one_is_running(started):
    _, _, command = started
    other = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "error: make start runs already for " in other.stderr
    assert other.stdout == ""


def test_the_azurite_of_another_folder_is_named_as_such(environment, azurite, tmp_path):
    values = json.loads((REPO / "local.settings.example.json").read_text(encoding="utf-8"))["Values"]
    ours = connection_string(*(azurite.ports[service] for service in SERVICES), account=Account.of(tmp_path))
    values |= environment | {"AzureWebJobsStorage": ours, "ScoringStorage": ours}
    file = tmp_path / "local.settings.json"
    file.write_text(json.dumps({"IsEncrypted": False, "Values": values}), encoding="utf-8")
    command = [sys.executable, "-m", "dev.start", "--settings", str(file)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "the Azurite that listens there was started in another folder, or" in done.stderr
    assert done.stderr.count("\n") == 1


def test_azurite_is_recognised_by_its_name(azurite):
    assert str(server_on(azurite.ports["Blob"])).startswith("Azurite-Blob/")
    assert str(server_on(azurite.ports["Queue"])).startswith("Azurite-Queue/")


def test_other_servers_are_not_mistaken_for_azurite():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        assert str(server_on(server.server_port)).startswith("BaseHTTP/")
        server.shutdown()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up():
            listener.accept()[0].close()

        Thread(target=hang_up, daemon=True).start()
        assert str(server_on(port)).startswith("not a web server")
    assert server_on(port) is None


@pytest.mark.parametrize("exists", [True, False])
def test_the_settings_get_the_key_of_this_azurite_in_place_of_the_public_one(tmp_path, capsys, exists):
    file, data = tmp_path / "local.settings.json", tmp_path / "azurite"
    if exists:
        file.write_text('{"Values": {"ScoringStorage": "UseDevelopmentStorage=true", "A": "1"}}')
    own = connect_to_own_azurite(file, data)
    assert own == connection_string(*STANDARD_PORTS, account=Account.of(data))
    values = json.loads(file.read_text())["Values"]
    assert values["ScoringStorage"] == own
    assert (values["A"] == "1") if exists else (values["AzureWebJobsStorage"] == own)
    assert file.stat().st_mode & 0o777 == 0o600
    assert ("key of this Azurite" if exists else "created from") in capsys.readouterr().out
    text = file.read_bytes()
    assert connect_to_own_azurite(file, data) == own
    assert (file.read_bytes(), capsys.readouterr().out) == (text, "")


def test_settings_with_a_connection_of_their_own_are_left_alone(tmp_path):
    file, data = tmp_path / "local.settings.json", tmp_path / "azurite"
    file.write_text('{"Values": {"ScoringStorage": "AccountName=a;AccountKey=b"}}')
    assert connect_to_own_azurite(file, data) is None
    assert not data.exists()
