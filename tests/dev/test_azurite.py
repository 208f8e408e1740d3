"""Azurite as the project starts it: on free ports, and stopped with the process that started it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from azure.storage.blob import ContainerClient

from dev.azurite import Azurite, AzuriteError, connection_string

ROOT = Path(__file__).parents[2]


def container(azurite):
    return ContainerClient.from_connection_string(azurite.connection_string, "here")


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_servers_at_once_are_independent():
    with Azurite() as one, Azurite() as other:
        assert set(one.ports.values()).isdisjoint(other.ports.values())
        with container(one) as client:
            client.create_container()
        with container(other) as client:
            assert not client.exists()


def test_all_three_services_listen():
    with Azurite() as azurite:
        assert all(listens(port) for port in azurite.ports.values())
    assert not any(listens(port) for port in azurite.ports.values())


def test_a_folder_keeps_data_after_a_restart(tmp_path):
    with Azurite(tmp_path) as azurite, container(azurite) as client:
        client.create_container()
        client.upload_blob("a.csv", b"TS")
    with Azurite(tmp_path) as azurite, container(azurite) as client:
        assert client.download_blob("a.csv").readall() == b"TS"


def test_a_port_in_use_is_reported():
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        used.listen()
        port = used.getsockname()[1]
        with (
            pytest.raises(AzuriteError, match=f"did not start on ports .*{port}.*; its last output: "),
            Azurite(ports=(port, 0, 0)),
        ):
            pass


def test_it_exits_when_its_parent_is_killed():
    """A killed test run leaves no processes behind."""
    script = (
        "import os, sys\n"
        "from dev.azurite import Azurite\n"
        "azurite = Azurite().__enter__()\n"
        "print(azurite._process.pid, azurite.ports['Blob'], flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with parent:
        assert parent.stdout is not None
        pid, port = (int(number) for number in parent.stdout.readline().split())
        assert listens(port)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid))
    assert not listens(port)


def test_a_connection_string_names_only_services_with_a_port():
    assert "QueueEndpoint" not in connection_string(1)
    assert connection_string(1, 2, 3).endswith("TableEndpoint=http://127.0.0.1:3/devstoreaccount1")
