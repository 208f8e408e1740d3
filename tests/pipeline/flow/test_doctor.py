"""The doctor: what is in place, and what to do where it is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import msgspec
import pytest

from dev.azurite import connection_string
from pipeline.engines.azureml.engine import AzureMLEngine
from pipeline.fleet.state import Hold
from pipeline.fleet.store import change_state
from pipeline.flow.context import Context
from pipeline.flow.doctor import CheckResult, examine
from pipeline.notify.settings import NotifySettings, Sink, SinkKind, write_notify_settings
from pipeline.published.publish import publish
from pipeline.runs import last
from pipeline.settings import Settings
from tests.pipeline import small_fleet

pytestmark = pytest.mark.xdist_group("azureml")


@pytest.fixture(params=["local", "azureml"])
def context(request, store):
    """A fleet's models in storage, for each engine."""
    settings = request.getfixturevalue("settings" if request.param == "local" else "azureml_settings")
    for name, content in small_fleet.models().items():
        store.models.put(name, content)
    context = Context.open(settings)
    if isinstance(context.engine, AzureMLEngine):
        context.engine.set_up()
    yield context
    context.store.close()


def findings(context):
    return {finding.what: finding for finding in examine(context)}


def test_all_is_well_once_it_is_published(context):
    publish(context.store, context.settings, context.engine)
    found = findings(context)
    assert all(finding.good for finding in found.values()), found
    assert found["models"].found == f"{len(small_fleet.models()):,}"
    assert context.settings.engine in found["engine"].found


def test_without_a_publication_it_says_how_to_publish(context):
    found = findings(context)["published pipeline"]
    assert not found.good
    assert "python -m pipeline publish" in found.found


def test_files_that_are_not_models_are_counted(context, store):
    store.models.put("readme.txt", b"hello")
    publish(context.store, context.settings, context.engine)
    assert "; ignored, not models: readme.txt" in findings(context)["models"].found


def test_models_that_are_newer_than_the_publication_are_reported(context, store):
    publish(context.store, context.settings, context.engine)
    store.models.put("model_9_9.skops", b"new")
    found = findings(context)["published pipeline"]
    assert found.good is False
    assert "SCORING_MAPPING, and run python -m pipeline publish" in found.found


def test_missing_models_are_reported(settings, store):
    context = Context.open(settings)
    found = findings(context)["models"]
    assert not found.good
    assert "python -m pipeline upload --models FOLDER" in found.found
    context.store.close()


def test_a_pipeline_published_for_another_engine_is_reported(settings, azureml_settings, store):
    for name, content in small_fleet.models().items():
        store.models.put(name, content)
    local, azureml = Context.open(settings), Context.open(azureml_settings)
    publish(local.store, local.settings, local.engine)
    found = findings(azureml)
    assert (
        "published for the engine local, and SCORING_ENGINE is azureml" in found["published pipeline"].found
    )
    local.store.close()
    azureml.store.close()


def test_a_workspace_without_cluster_and_datastores_is_reported_with_the_fix(azureml_settings, store):
    context = Context.open(azureml_settings)
    found = findings(context)["engine"]
    assert not found.good
    assert "there is no compute 'cpu-cluster'" in found.found
    assert "scoring_preds" in found.found
    assert "publish --setup" in found.found
    context.store.close()


def test_another_server_at_the_address_of_storage_is_not_mistaken_for_it(environment):
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings.from_environment(
            environment | {"ScoringStorage": connection_string(server.server_port)}
        )
        context = Context.open(settings)
        try:
            found = findings(context)["storage"]
        finally:
            context.store.close()
            server.shutdown()
    assert not found.good
    assert "is not a storage service: check what listens there, and ScoringStorage" in found.found


def test_it_names_the_account_and_the_identity_that_it_uses(settings, store):
    context = Context.open(settings)
    assert f"storage {store.address} by a connection string" in findings(context)["settings"].found
    context.store.close()


def test_each_misspelt_setting_is_reported_with_the_nearest_name(settings, store, monkeypatch):
    context = Context.open(settings)
    assert findings(context)["settings"].good
    monkeypatch.setenv("SCORING_MAX_STEP", "5")
    monkeypatch.setenv("SCORING_SHEDULE", "0 0 * * * *")
    monkeypatch.setenv("SCORING_CLUSTER_MAX_NODES", "4")
    found = findings(context)["settings"]
    assert not found.good
    assert (
        "SCORING_MAX_STEP is not a setting, so it is ignored: did you mean SCORING_MAX_STEPS?" in found.found
    )
    assert "did you mean SCORING_SCHEDULE?" in found.found
    assert "CLUSTER" not in found.found
    context.store.close()


def test_a_late_sweep_is_reported_with_what_to_do(settings, store):
    context = Context.open(replace(settings, late_sweep=timedelta(minutes=15)))
    assert findings(context)["last sweep"] == CheckResult(
        "last sweep", good=True, found="no sweep has finished yet"
    )
    last.note(store.runs, last.SWEEP)
    found = findings(context)["last sweep"]
    assert found.good
    assert found.found.startswith("the last sweep finished at 20")
    now = datetime.now(UTC)
    context.clock = lambda: now + timedelta(minutes=16)
    found = findings(context)["last sweep"]
    assert not found.good
    assert "more than 15 minutes ago (SCORING_LATE_SWEEP_MINUTES)" in found.found
    assert "python -m pipeline sweep" in found.found
    context.store.close()


@pytest.mark.parametrize("value", [None, " "], ids=["missing", "blank"])
def test_settings_that_the_host_must_find_are_named_with_what_to_write(settings, store, monkeypatch, value):
    context = Context.open(settings)
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("SCORING_SCHEDULE", "0 0 * * * *")
    monkeypatch.setenv("SCORING_DATA_CONTAINER", "data")
    monkeypatch.setenv("SCORING_PREDS_CONTAINER", "preds")
    assert findings(context)["triggers"].good
    monkeypatch.delenv("SCORING_SCHEDULE") if value is None else monkeypatch.setenv("SCORING_SCHEDULE", value)
    found = findings(context)["triggers"]
    assert not found.good
    assert "SCORING_SCHEDULE has no value" in found.found
    assert "set it to '0 0 * * * *'" in found.found
    context.store.close()


def test_without_a_function_app_nothing_is_asked_of_its_settings(settings, store):
    context = Context.open(settings)
    assert "triggers" not in findings(context)
    context.store.close()


def test_sinks_that_cannot_be_reached_are_reported_without_their_address(settings, store, monkeypatch):
    context = Context.open(settings)
    assert findings(context)["notifications"].found.startswith("no sink is set")
    sink = Sink(name="ops", kind=SinkKind.WEBHOOK, url_setting="NOTIFY_OPS_URL")
    write_notify_settings(store.runs, NotifySettings(sinks=(sink,)).to_bytes(), "it")
    found = findings(context)["notifications"]
    assert not found.good
    assert "sink ops: the setting NOTIFY_OPS_URL has no value" in found.found
    monkeypatch.setenv("NOTIFY_OPS_URL", "https://example.com/secret-path")
    found = findings(context)["notifications"]
    assert found == CheckResult("notifications", good=True, found="1 sink, 0 mutes, 0 waiting events")
    hold = Hold(context.clock() + timedelta(minutes=1), 1, "the setting NOTIFY_OPS_URL has no value")
    change_state(store.preds, lambda state: msgspec.structs.replace(state, holds={"ops": hold}))
    found = findings(context)["notifications"]
    assert "sink ops failed in the app (the setting NOTIFY_OPS_URL has no value): the next try" in found.found
    store.runs.put("notify.json", b"{")
    found = findings(context)["notifications"]
    assert not found.good
    assert "write it again with python -m pipeline notify --set FILE" in found.found
    context.store.close()
