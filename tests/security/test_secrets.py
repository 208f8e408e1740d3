"""Planted secrets do not appear in output or stored files, with and without failures."""

import logging
import os
import time
import traceback
from dataclasses import replace

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
    shown = "import os, sys\nprint(dict(os.environ), sys.argv)\n"
    (fleet.engine.code / "scoring" / "__init__.py").write_text(shown)
    fleet.models(s1_1="score", s1_2=f"fail cannot read https://a.invalid/b?{SIGNED}")
    fleet.publish()
    runs = fleet.context.store.runs
    with FaultProxy(azurite.ports["Blob"], at_random(seed=5, share=0.1)) as proxy:
        connection = Connection(connection_string(proxy.port))
        fleet.engine.settings = replace(fleet.engine.settings, connection=connection)
        record = fleet.score(fleet.land("a.csv", "1_1", "1_2"))
        deadline = time.monotonic() + 60
        while not runs.exists(f"{record.run}/logs/worker.log"):  # written last, after the record
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert sum(proxy.faults.values()) > 0
    assert record.state is RunState.PARTLY
    stored = {blob.name: runs.read(blob.name).data.decode() for blob in runs.list()}
    assert {f"{record.run}/record.json", f"{record.run}/logs/worker.log"} <= stored.keys()
    for name, text in stored.items():
        assert KEY not in text, name
        if "/logs/score_1_2" not in name:  # the output of a step is stored unchanged
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
