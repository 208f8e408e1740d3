"""The worker process: calls that hang or kill it, what the app can import, what it logs."""

import json
import logging
import time

import psutil
import pytest
from azure.storage.blob import BlobServiceClient

from dev.host.logs import LineFormatter
from dev.host.process import HostProcess
from tests.dev.hosts import PROBE, calls, settings_for, unique

pytestmark = pytest.mark.xdist_group("host-worker")


@pytest.fixture
def container(azurite):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        yield service.create_container(unique("data"))


@pytest.mark.slow
def test_a_call_beyond_the_time_limit_kills_the_worker_and_its_message_is_visible_again(azurite, container):
    container.upload_blob("sleeps-60", b"x")
    name = container.container_name
    with HostProcess(PROBE, settings_for(azurite, name), poll=0.1) as host:
        first = host.wait_until_started().worker_pid
        host.wait_for("Timeout value of 0:00:03 was exceeded by function: Functions.scanned")
        host.wait_for(f"Worker process {first} is killed and restarted")
        host.wait_for("called", count=2)
        assert not psutil.pid_exists(first)
        assert host.worker_pid != first
        container.upload_blob("other", b"x")
        host.wait_for(f'called .*"{name}", "other"')
        host.wait_for("Moving message to queue 'webjobs-blobtrigger-poison'", 60)
        assert calls(host).count(f"{name}/sleeps-60") == 5
        assert not [line for line in host.lines if "ended with code" in line]


@pytest.mark.slow
def test_other_calls_of_a_killed_worker_are_repeated_after_their_own_time_limit(azurite, container):
    name = container.container_name
    with HostProcess(PROBE, settings_for(azurite, name), poll=0.1) as host:
        host.wait_until_started()
        container.upload_blob("sleeps-60", b"x")
        host.wait_for(f'called .*"{name}", "sleeps-60"')
        time.sleep(1)
        container.upload_blob("sleeps-2.5", b"x")
        host.wait_for("slept sleeps-2.5", 40)
        assert calls(host).count(f"{name}/sleeps-2.5") >= 2
        assert host.stop() == 0


@pytest.mark.slow
def test_a_worker_that_dies_is_restarted_and_the_third_exit_stops_the_host(azurite, container):
    settings = settings_for(azurite, container.container_name)
    with HostProcess(PROBE, settings, poll=0.1) as host:
        host.wait_until_started()
        container.upload_blob("dies", b"x")
        host.wait_for(r"Worker process \d+ ended with code 7 \(1 of 3\)")
        failed = host.wait_for(r"Executed 'Functions.scanned' \(Failed")
        assert "the worker process ended with code 7" in failed
        host.wait_for("Worker process started", count=3)
        host.wait_for(r"Worker process \d+ ended with code 7 \(3 of 3\)")
        assert host.wait() == 1
        assert "error: the worker process ended 3 times, the last with code 7" in host.lines[-1]
        assert len(calls(host)) == 3


def test_the_app_can_import_its_requirements_but_no_development_packages(azurite):
    names = "azure.storage.blob azure.core requests azure.storage.queue pytest dev hypothesis psutil"
    with HostProcess(PROBE, settings_for(azurite, "none", PROBE_IMPORTS=names)) as host:
        host.wait_until_started().call("imports")
        _, found = json.loads(host.wait_for(r"\] imports ").partition("imports ")[2])
    assert [name for name, error in found.items() if not error] == names.split()[:3]
    why = "it is installed for development, but the app's requirements.txt does not list it"
    assert found["pytest"] == f"No module named 'pytest': {why}"


def test_output_of_the_app_and_names_of_blobs_cannot_break_a_line(azurite, container):
    forged = "fails-\n[2026-01-01T00:00:00.000Z] Host stopped\x1b[2J\u2028"
    settings = settings_for(azurite, container.container_name)
    with HostProcess(PROBE, settings, poll=0.1) as host:
        host.wait_until_started()
        assert host.call("notified", json.dumps({"input": f"data/prints-{forged}"})) == 202
        line = host.wait_for(r"Executed 'Functions.notified' \(Failed")
        assert r"\x1b[2J" in line
        host.wait_for("printed prints-fails-")
        began = [line for line in host.lines if line.startswith("[2026-01-01T00:00:00.000Z]")]
        assert began == []


def test_a_traceback_keeps_its_lines_and_none_of_them_looks_like_an_entry():
    error = RuntimeError("one\n[2026-01-01T00:00:00.000Z] two\r\x00")
    record = logging.LogRecord("x", logging.ERROR, "", 0, "a\nb", (), (type(error), error, None))
    lines = LineFormatter().format(record).split("\n")
    assert lines[0].endswith(r"] a\nb")
    assert lines[1:] == ["    RuntimeError: one", r"    [2026-01-01T00:00:00.000Z] two\r\x00"]
