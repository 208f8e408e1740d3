"""The doctor: what is in place, and what to do where it is not."""

import pytest

from pipeline.engines.azureml.engine import AzureMLEngine
from pipeline.flow.context import Context
from pipeline.flow.doctor import examine
from pipeline.published.publish import publish
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


def test_without_a_publication_it_says_how_to_make_one(context):
    found = findings(context)["published pipeline"]
    assert not found.good
    assert "python -m pipeline publish" in found.found


def test_files_that_are_no_models_are_counted(context, store):
    store.models.put("readme.txt", b"hello")
    publish(context.store, context.settings, context.engine)
    assert "1 other files are left alone" in findings(context)["models"].found


def test_models_that_came_after_the_publication_are_told(context, store):
    publish(context.store, context.settings, context.engine)
    store.models.put("model_9_9.skops", b"new")
    found = findings(context)["published pipeline"]
    assert found.good is False
    assert "python -m pipeline publish" in found.found


def test_no_models_at_all_are_told(settings, store):
    context = Context.open(settings)
    found = findings(context)["models"]
    assert not found.good
    assert "upload model_{device}_{sensor}.skops" in found.found
    context.store.close()


def test_a_pipeline_published_for_another_engine_is_told(settings, azureml_settings, store):
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


def test_a_workspace_without_cluster_and_datastores_is_told_with_the_way_out(azureml_settings, store):
    context = Context.open(azureml_settings)
    found = findings(context)["engine"]
    assert not found.good
    assert "there is no compute 'cpu-cluster'" in found.found
    assert "scoring_preds" in found.found
    assert "publish --setup" in found.found
    context.store.close()
