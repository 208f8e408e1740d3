from dataclasses import replace

import pytest

from pipeline.errors import NothingPublished, PublishError
from pipeline.published import publish
from pipeline.published.build import SCORE_FILE
from pipeline.settings import Settings
from scoring.mapping_text import parse


def stored(fleet):
    runs = fleet.context.store.runs
    return {blob.name: blob.etag for blob in runs.list("published/")}


def test_publishing_stores_what_would_be_printed(fleet):
    fleet.models(s1_1="score")
    made = fleet.publish()
    assert made.changed
    documents = publish.load_documents(fleet.context.store, made.published.version)
    assert documents == (made.documents.pipeline_yml, made.documents.score_yml)
    assert publish.current(fleet.context.store) == made.published
    assert publish.load(fleet.context.store, made.published.version) == made.published


def test_publishing_twice_changes_nothing(fleet):
    fleet.models(s1_1="score")
    first = fleet.publish()
    again = fleet.publish()
    assert (again.published, again.changed) == (first.published, False)
    assert len(publish.versions(fleet.context.store)) == 1


def test_a_new_model_makes_a_new_version_and_a_changed_one_does_not(fleet):
    fleet.models(s1_1="score")
    first = fleet.publish().published
    fleet.models(s1_1="other content")
    assert not fleet.publish().changed
    fleet.models(s1_2="score")
    second = fleet.publish()
    assert second.changed
    assert publish.versions(fleet.context.store) == sorted([first.version, second.published.version])
    assert publish.load(fleet.context.store, first.version) == first


def test_an_earlier_version_can_be_made_the_current_one_again(fleet):
    fleet.models(s1_1="score")
    first = fleet.publish().published
    fleet.models(s1_2="score")
    fleet.publish()
    assert publish.make_current(fleet.context.store, first)
    assert publish.current(fleet.context.store) == first


def test_the_current_version_is_built_from_the_latest_listing(fleet):
    fleet.models(s1_1="score")
    publish_there = fleet.engine.publish

    def publish_in_between(documents):
        fleet.engine.publish = publish_there
        fleet.models(s1_2="score")
        assert fleet.publish().published.steps == 2
        return publish_there(documents)

    fleet.engine.publish = publish_in_between
    assert fleet.publish().published.steps == 2
    assert publish.current(fleet.context.store).steps == 2


@pytest.mark.parametrize(
    "mapping", ["ts=Date,Time wide", '{"site-a/": {"wide": true}, "": {"delimiter": "bar"}}']
)
def test_a_mapping_that_was_published_is_named_until_settings_say_which_to_use(fleet, mapping):
    fleet.models(s1_1="score")
    store, plain = fleet.context.store, fleet.context.settings
    mapped = replace(plain, mapping=parse(mapping).encoded)
    assert publish.dropped_mapping(store, plain) is None
    publish.publish(store, mapped, fleet.engine)
    assert publish.dropped_mapping(store, mapped) is None
    message = publish.dropped_mapping(store, plain)
    assert message is not None
    assert message.endswith(f"to keep it, set SCORING_MAPPING to this, and publish again: {mapping}")
    none = Settings.from_environment(
        {"ScoringStorage": "UseDevelopmentStorage=true", "SCORING_MAPPING": "{}"}
    )
    assert publish.dropped_mapping(store, replace(plain, mapping=none.mapping)) is None
    publish.publish(store, plain, fleet.engine)
    assert publish.dropped_mapping(store, plain) is None


def test_a_damaged_publication_has_no_mapping_to_keep(fleet):
    fleet.models(s1_1="score")
    mapped = replace(fleet.context.settings, mapping=parse("wide").encoded)
    made = publish.publish(fleet.context.store, mapped, fleet.engine).published
    fleet.context.store.runs.put(f"published/{made.version}/score.yml", b"command: [")
    assert publish.dropped_mapping(fleet.context.store, fleet.context.settings) is None


def test_files_that_are_not_models_are_ignored_and_listed(fleet):
    fleet.models(s1_1="score")
    for name in (
        "README.md",
        "model_1_2.pkl",
        "model_1%5f2_3.skops",
        "old/model_1_2.skops",
        "models.parquet",
    ):
        fleet.context.store.models.put(name, b"x")
    found = publish.find_fleet(fleet.context.store)
    assert [key.encoded for key in found.keys] == ["1_1"]
    assert set(found.others) == {
        "README.md",
        "model_1_2.pkl",
        "model_1%5f2_3.skops",
        "old/model_1_2.skops",
    }


def test_missing_models_and_publications_are_reported_with_the_fix(fleet):
    with pytest.raises(PublishError, match="upload --models FOLDER"):
        fleet.publish()
    with pytest.raises(NothingPublished, match="python -m pipeline publish"):
        publish.current(fleet.context.store)
    with pytest.raises(PublishError, match=r"version .v1. is not published \(there are no versions\)"):
        publish.load(fleet.context.store, "v1")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"version": 2}', b'{"version": 1, "published": "v1"}', b"\xff"]
)
def test_a_damaged_publication_is_reported(fleet, content):
    fleet.context.store.runs.put(publish.CURRENT, content)
    with pytest.raises(
        PublishError, match=r"current is (not )?a published pipeline .*: (publish again|update it)"
    ):
        publish.current(fleet.context.store)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(b"./score.yml", b"./other.yml"),
        lambda text: text.replace(b"key:", b"other:"),
        lambda text: text.replace(b"jobs.score_1_1.outputs", b"jobs.collect.outputs"),
        lambda text: text[: len(text) // 2],
        lambda _: b"!!python/object/apply:os.system ['touch /tmp/owned']",
        lambda _: b"[]",
    ],
    ids=["another component", "unknown input", "circle", "half", "code", "list"],
)
def test_the_local_engine_refuses_documents_that_do_not_fit_together(fleet, damage):
    from pipeline.engines.local.graph import Pipeline

    fleet.models(s1_1="score")
    made = fleet.publish().documents
    with pytest.raises(PublishError, match="published documents cannot be read"):
        Pipeline.read(damage(made.pipeline_yml), {SCORE_FILE: made.score_yml})
