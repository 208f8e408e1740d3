"""Azurite as the project starts it: on free ports, and stopped with the process that started it."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from dev.azurite import (
    ACCOUNT,
    ACCOUNT_FILE,
    STANDARD_ACCOUNT,
    Account,
    Azurite,
    AzuriteError,
    connection_string,
)

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
    assert connection_string(1, 2, 3).endswith(f"TableEndpoint=http://127.0.0.1:3/{ACCOUNT}")


STANDARD_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def test_the_key_that_everyone_knows_opens_nothing(azurite):
    port = azurite.ports["Blob"]
    known = connection_string(port, account=Account(STANDARD_ACCOUNT, STANDARD_KEY))
    guessed = connection_string(port, account=Account(azurite.account.name, STANDARD_KEY))
    for text in (known, guessed):
        with (
            ContainerClient.from_connection_string(text, "here", retry_total=0) as client,
            pytest.raises(HttpResponseError),
        ):
            client.create_container()
    assert len({Account.new() for _ in range(3)}) == 3


@pytest.mark.parametrize(
    "host", ["rebound.example", "127.0.0.1.rebound.example", "localhost@x", "10.0.0.1:80"]
)
@pytest.mark.parametrize(
    "expect", [{}, {"Expect": "100-continue"}, {"Connection": "Upgrade", "Upgrade": "x"}]
)
def test_a_page_that_reaches_loopback_under_its_own_name_gets_no_answer_of_azurite(azurite, host, expect):
    for port in azurite.ports.values():
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(
            "PUT", f"/{azurite.account.name}/x?restype=container", headers={"Host": host} | expect
        )
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Server")) == (421, None)
        connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:10000", "LOCALHOST", "[::1]:5"])
def test_loopback_has_several_names(azurite, host):
    connection = HTTPConnection("127.0.0.1", azurite.ports["Blob"], timeout=10)
    connection.request("GET", f"/{azurite.account.name}?comp=list", headers={"Host": host})
    assert connection.getresponse().status == 403  # Azurite's own: without a signature
    connection.close()


def test_the_account_of_a_folder_stays_and_only_its_owner_reads_it(tmp_path):
    folder = tmp_path / "data"
    account = Account.of(folder)
    assert Account.of(folder) == account
    assert account.name != STANDARD_ACCOUNT
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / ACCOUNT_FILE)] == [0o700, 0o600]


def test_data_of_earlier_versions_stays_where_it_was_with_a_key_of_its_own(tmp_path):
    (tmp_path / "__azurite_db_blob__.json").touch()
    account = Account.of(tmp_path)
    assert account.name == STANDARD_ACCOUNT
    assert account.key != STANDARD_KEY


@pytest.mark.parametrize("name", ["a\x01.csv", "\x1b[31m", "x/\x08", "\ufffe", "\uffff.csv", "\x0b"])
def test_a_name_that_azurite_could_not_list_is_refused(azurite, name):
    with ContainerClient.from_connection_string(azurite.connection_string, uuid.uuid4().hex) as client:
        client.create_container()
        client.upload_blob("a\tb\n\x7f\x85\u2028.csv", b"TS")
        with pytest.raises(HttpResponseError) as refused:
            client.upload_blob(name, b"TS")
        assert refused.value.status_code == 400
        assert list(client.list_blob_names()) == ["a\tb\n\x7f\x85\u2028.csv"]
