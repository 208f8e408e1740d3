"""Planted secrets do not appear in output or stored files, with and without failures."""

import contextlib
import inspect
import logging
import os
import subprocess
import sys
import traceback
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.azurite import ACCOUNT, KEY, connection_string
from dev.proxy import Fault, FaultProxy, at_random
from pipeline.engines.local.processes import last_line
from pipeline.errors import PipelineError
from pipeline.redact import redacted
from pipeline.runs.record import RunState
from pipeline.settings import Connection
from pipeline.storage.account import Store
from tests.pipeline.conftest import until
from tests.pipeline.workers import workers

PLANTED = "UExBTlRFRHNlY3JldA"
SIGNED = f"sv=2025-01-05&ss=b&sig={PLANTED}%3D"


def all_output(error: BaseException, caplog) -> str:
    lines = "\n".join(record.getMessage() for record in caplog.records)
    return f"{lines}\n{''.join(traceback.format_exception(error))}"


@pytest.mark.parametrize("kind", ["no listener", "faults"])
def test_no_error_traceback_or_log_contains_a_signature(settings, azurite, caplog, kind):
    caplog.set_level(logging.INFO)
    with FaultProxy(
        azurite.ports["Blob"], at_random(seed=1, share=1.0, faults=[Fault.BUSY, Fault.RESET])
    ) as proxy:
        port = 1 if kind == "no listener" else proxy.port
        endpoint = f"BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};SharedAccessSignature={SIGNED}"
        store = Store.connect(replace(settings, connection=Connection(endpoint)))
        with pytest.raises(PipelineError) as caught:
            store.data.read("a.csv")
        store.close()
    output = all_output(caught.value, caplog)
    assert "trying again" in output
    assert PLANTED not in output


def test_an_error_does_not_repeat_a_refused_key(settings, azurite, caplog):
    text = connection_string(azurite.ports["Blob"]).replace(KEY, "UExBTlRFRHNlY3JldA==")
    store = Store.connect(replace(settings, connection=Connection(text)))
    with pytest.raises(PipelineError, match="refuses the credential") as caught:
        store.data.read("a.csv")
    store.close()
    assert PLANTED not in all_output(caught.value, caplog)
    assert PLANTED not in repr(settings) + repr(Connection(text))


def test_everything_that_a_run_stores_is_free_of_secrets(fleet, azurite, monkeypatch):
    """With failing storage, a step that prints its environment, and one that prints a signed URL."""
    telemetry = f"InstrumentationKey={PLANTED};IngestionEndpoint=https://nowhere.invalid/"
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", telemetry)
    monkeypatch.setenv("WEBSITE_AUTH_ENCRYPTION_KEY", PLANTED)
    main = fleet.engine.code / "scoring" / "__main__.py"
    main.write_text(main.read_text().replace("def main(", "print(dict(os.environ), sys.argv)\n\n\ndef main("))
    fleet.models(s1_1="score", s1_2=f"fail cannot read https://a.invalid/b?{SIGNED}")
    fleet.publish()
    runs = fleet.context.store.runs
    with FaultProxy(azurite.ports["Blob"], at_random(seed=5, share=0.1)) as proxy:
        connection = Connection(connection_string(proxy.port))
        fleet.engine.settings = replace(fleet.engine.settings, connection=connection)
        record = fleet.score(fleet.land("a.csv", "1_1", "1_2"))
        until(lambda: not workers(record.run))
        assert sum(proxy.faults.values()) > 0
    assert record.state is RunState.PARTLY
    stored = {blob.name: runs.read(blob.name).data.decode() for blob in runs.list()}
    assert {f"{record.run}/record.json", f"{record.run}/steps.json"} <= stored.keys()
    for name, text in stored.items():
        assert KEY not in text, name
        assert PLANTED not in text, name


def test_the_error_of_a_step_is_redacted(tmp_path):
    log = tmp_path / "step.log"
    log.write_text(f"error: https://a.invalid/b?{SIGNED}&x=1 gives no answer\n")
    assert last_line(log) == "https://a.invalid/b?sv=2025-01-05&ss=b&sig=***&x=1 gives no answer"


@pytest.mark.parametrize(
    "text",
    [
        f"AccountName=a;AccountKey={PLANTED}==;EndpointSuffix=x",
        f"https://a/b?se=1&SIG={PLANTED}",
        f"Authorization: Bearer {PLANTED}.x-y_z",
        f"SharedKey devstoreaccount1:{PLANTED}",
        f"'InstrumentationKey={PLANTED}'",
        f"https%3A%2F%2Fa%3Fsig%3D{PLANTED}",
    ],
)
def test_keys_signatures_and_tokens_are_redacted(text):
    assert PLANTED not in redacted(text)
    assert "***" in redacted(text)


@given(st.text())
def test_redacting_twice_changes_nothing_more(text):
    assert redacted(redacted(text)) == redacted(text)


def test_a_text_without_secrets_stays_as_it_is():
    for text in ("expected a column TS, found no such column", "design=3 of 4", f"{os.sep}data/a.csv"):
        assert redacted(text) == text


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_a_step_finds_the_key_in_no_process_and_no_file(fleet, monkeypatch, tmp_path):
    """As root, a step can read the environment of every process."""
    planted = uuid.uuid4().hex
    monkeypatch.setenv("AZURE_CLIENT_SECRET", planted)
    connection = fleet.engine.settings.connection.connection_string  # with a port of its own
    found = tmp_path / "found"
    main = fleet.engine.code / "scoring" / "__main__.py"
    call = f"look_for({[connection, planted]}, {str(fleet.engine.folder)!r}, {str(found)!r})"
    looking = f"import contextlib\n\n{inspect.getsource(look_for)}\n\n{call}\n\n\ndef main("
    main.write_text(main.read_text().replace("def main(", looking))
    fleet.models(s1_1="score")
    fleet.publish()
    fleet.score(fleet.land("a.csv", "1_1"))
    processes, *leaks = found.read_text().splitlines()
    assert int(processes) > 3  # the step, the process that it was forked from, the worker, this one
    assert leaks == []


def look_for(secrets, folder, found):
    """What a hostile step could do."""
    files = [*Path("/proc").glob("[0-9]*/environ"), *Path("/proc").glob("[0-9]*/cmdline")]
    processes, names = 0, []
    for file in [*files, *Path(folder).rglob("*")]:
        content = b""
        with contextlib.suppress(OSError):  # it is closed to the step, or the process has ended
            content = file.read_bytes()
        processes += bool(content) and file.name == "cmdline"
        names += [str(file) for secret in secrets if secret.encode() in content]
    Path(found).write_text("\n".join([str(processes), *names]))


def test_the_memory_and_environment_of_a_hidden_process_are_closed_to_others_of_its_user():
    program = (
        "import ctypes\nfrom pipeline.step_environment import hide_process\nhide_process()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
