"""What the SDK sends for each thing that the project does, against Microsoft's own schemas of the bodies."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from dev.azureml.schemas import FOLDER, Remark, differences
from pipeline.engines.azureml.schedule import Trigger
from pipeline.flow.context import Context
from pipeline.flow.submit import Outcome, submit_landing
from pipeline.flow.sweep import sweep
from pipeline.published.publish import publish
from scoring import SensorKey
from tests.pipeline import small_fleet

pytestmark = [
    pytest.mark.xdist_group("azureml"),
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no schemas of Azure ML in {FOLDER}"),
]


@pytest.fixture
def context(azureml_settings, store, emulator):
    """A context with a workspace in which nothing was ever published, and a record of what it is sent."""
    emulator.workspace.forget(("components", "environments", "codes"))
    emulator.schemas.checked.clear()
    emulator.schemas.remarks.clear()
    emulator.execution.holds = True
    context = Context.open(azureml_settings)
    yield context
    context.store.close()
    emulator.execution.holds = False


def kinds(emulator):
    return Counter(emulator.schemas.checked)


@pytest.mark.parametrize(("sensors", "most"), [(15, 20), (250, 20), (250, 1000)])
def test_every_request_body_conforms_to_the_schemas(context, emulator, sensors, most):
    context.settings = replace(context.settings, max_steps=most)
    (model, *_) = small_fleet.models().values()
    for number in range(sensors):
        context.store.models.put(SensorKey("1", str(number)).model_name, model)
    context.engine.set_up()
    published = publish(context.store, context.settings, context.engine).published
    for name in ("a.csv", "b.csv"):
        context.store.data.put(name, small_fleet.readings())
    assert submit_landing(context, "a.csv").outcome is Outcome.SUBMITTED
    sweep(context, datetime.now(UTC), random_hex="0" * 6)
    context.engine.schedule(published, Trigger(every="1h"))
    context.engine.schedule(published, Trigger(cron="0 5 * * 1"))
    context.engine.unschedule()
    context.engine.deploy(published)
    context.engine.roll_back(published.version)
    assert kinds(emulator) == {
        "computes": 1,
        "datastores": 4,
        "environments/versions": 1,
        "codes/versions": 1,
        "components/versions": kinds(emulator)["components/versions"],
        "jobs": 2,
        "schedules": 3,
        "batchEndpoints": 3,
        "batchEndpoints/deployments": 1,
    }
    assert kinds(emulator)["components/versions"] >= 2
    assert published.steps == (sensors if sensors <= most else 8)
    print(f"{sensors} sensors, {published.steps} steps: {len(emulator.schemas.checked)} bodies")
    print(*emulator.schemas.remarks, sep="\n")
    assert [remark for remark in emulator.schemas.remarks if not remark.accepted] == []


def test_an_invalid_body_is_rejected_with_the_place(context, emulator):
    """The check itself checks: each kind of difference is seen where it is."""
    from azure.ai.ml.entities import PipelineComponentBatchDeployment
    from azure.core.exceptions import HttpResponseError

    context.store.models.put("model_1_1.skops", small_fleet.models()["model_1_1.skops"])
    context.engine.set_up()
    published = publish(context.store, context.settings, context.engine).published
    endpoint = context.engine.deploy(published)
    deployment = PipelineComponentBatchDeployment(
        name="other", endpoint_name=endpoint, component=published.component, settings={"force_rerun": True}
    )
    client = context.engine.workspace.client
    with pytest.raises(HttpResponseError, match=r"settings\.force_rerun: True is not of type 'string'"):
        client.batch_deployments.begin_create_or_update(deployment)
    assert emulator.schemas.remarks[-1] == Remark(
        "batchEndpoints/deployments",
        "properties.deploymentConfiguration.settings.force_rerun: True is not of type 'string'",
    )


DOCUMENT = {
    "definitions": {
        "Input": {
            "allOf": [
                {"properties": {"kind": {"enum": ["text", "folder"]}}, "required": ["kind"]},
                {
                    "oneOf": [
                        {
                            "allOf": [
                                {"$ref": "#/definitions/Text"},
                                {"properties": {"kind": {"const": "text"}}},
                            ]
                        },
                        {
                            "allOf": [
                                {"$ref": "#/definitions/Folder"},
                                {"properties": {"kind": {"const": "folder"}}},
                            ]
                        },
                    ]
                },
            ]
        },
        "Text": {"type": "object", "properties": {"kind": {"enum": ["text"]}, "value": {"type": "string"}}},
        "Folder": {
            "type": "object",
            "properties": {"kind": {"enum": ["folder"]}, "uri": {"type": "string", "minLength": 1}},
            "required": ["uri"],
        },
    }
}
SCHEMA = {
    "type": "object",
    "properties": {
        "inputs": {"type": "object", "additionalProperties": {"$ref": "#/definitions/Input"}},
        "free": {},
        "list": {"type": "array", "items": {"type": "integer"}},
    },
}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"inputs": {"a": {"kind": "text", "value": "x"}}, "free": {"anything": 1}, "list": [1]}, []),
        ({"inputs": {"a": {"kind": "folder"}}}, ["inputs.a: 'uri' is a required property"]),
        ({"inputs": {"a": {"kind": "text", "uri": "x"}}}, ["inputs.a.uri: unknown property"]),
        ({"inputs": {"a": {"kind": "sound"}}}, ["inputs.a.kind: 'sound' is not one of ['text', 'folder']"]),
        ({"list": [1, "2"]}, ["list[1]: '2' is not of type 'integer'"]),
        ({"lists": []}, ["lists: unknown property"]),
    ],
    ids=["right", "required", "of another alternative", "no alternative", "item", "unknown"],
)
def test_a_difference_is_reported_with_its_place(body, found):
    assert list(differences(DOCUMENT, SCHEMA, body)) == found
