"""Uploads and downloads with an identity: Azurite over TLS, which checks tokens, and no key anywhere."""

import json
import os
import socket
import subprocess
import threading
import time
from http.server import ThreadingHTTPServer

import pytest

from dev.azureml.certificate import make_certificate
from dev.azurite import ACCOUNT, DEV, KEY, node
from pipeline.cli import main
from pipeline.clock import utc_now
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.storage.account import Store
from tests.conftest import new_environment
from tests.fidelity.account import _Tokens


@pytest.fixture
def account(azurite, tmp_path, monkeypatch):
    """Environment variables for a storage account that only an identity can use."""
    certificate, key = make_certificate(tmp_path / "tls")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = DEV / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    tls = ["--cert", str(certificate), "--key", str(key), "--oauth", "basic", "--blobPort", str(port)]
    command = [node(), "--require", str(DEV / "end-with-parent.cjs"), str(script), *options, *tls]
    tokens = ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
    threading.Thread(target=tokens.serve_forever, daemon=True).start()
    log = tmp_path / "azurite.log"
    accounts = {**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=accounts
        ) as server,
    ):
        deadline = time.monotonic() + 60
        while b"successfully listens" not in log.read_bytes():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        environment = new_environment(azurite) | {
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{tokens.server_port}/token",
            "IDENTITY_HEADER": "anything",
            "REQUESTS_CA_BUNDLE": str(certificate),
            "ScoringStorage__blobServiceUri": f"https://127.0.0.1:{port}/{ACCOUNT}",
            "ScoringStorage__credential": "managedidentity",
        }
        del environment["ScoringStorage"]
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield Store.connect(Settings.from_environment(environment))
        server.kill()
    tokens.shutdown()
    tokens.server_close()


def test_an_identity_uploads_once_and_downloads_a_run(account, tmp_path, capsys):
    for container in (account.data, account.models, account.preds, account.runs):
        container.ensure()
    (tmp_path / "readings.csv").write_text("TS,Device,Sensor,Value\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model_1_3.skops").write_bytes(b"a model")
    assert main(["upload", "readings.csv"]) == 0
    assert main(["upload", "readings.csv"]) == 0
    assert "1 file already there" in capsys.readouterr().out
    (tmp_path / "readings.csv").write_text("TS,Device,Sensor,Value\nmore")
    assert main(["upload", "readings.csv"]) == 2
    assert main(["upload", "--models", "models"]) == 0
    runs = Runs(account, utc_now)
    cause = Cause(CauseKind.MANUAL, "a test")
    made = RunRecord(run="august", cause=cause, state=RunState.PENDING, published="v1", created=utc_now())
    runs.advance(runs.create(made), RunState.SUCCEEDED)
    account.preds.put("august/summary.json", json.dumps({}).encode())
    assert main(["download", "aug"]) == 0
    assert (tmp_path / "out" / "august" / "summary.json").is_file()
    account.close()
