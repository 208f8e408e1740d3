"""Where a soak takes place: Azurite behind a proxy, two versions of each model, a published pipeline."""

import contextlib
import random
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from dev.azurite import Azurite, connection_string
from dev.demo.fleet import DemoError
from dev.demo.stage import Stage, app_environment
from dev.proxy import Choose, FaultProxy
from dev.soak.models import Models
from dev.soak.readings import SENSORS, value
from pipeline.flow.context import Context
from pipeline.settings import Settings
from scoring.cli import main as scoring

MODEL_VERSIONS = "versions"
"""Container of all versions of all models."""

_SETTINGS = {
    "AzureWebJobs.score_on_blob.Disabled": "true",  # events are told by the load, as Event Grid does
    "SCORING_SCHEDULE": "*/15 * * * * *",
    "SCORING_MAX_ACTIVE_RUNS": "3",
    "SCORING_MAX_STEPS": "2",
    "SCORING_MAX_TRIES": "10",  # workers are killed more often here than in any factory
    "SCORING_PENDING_MINUTES": "0.5",
    "SCORING_GRACE_MINUTES": "0.5",
    "SCORING_LOCAL_PROCESSES": "1",
}

_READINGS_TO_LEARN_FROM = 300


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is before the first landing."""

    stage: Stage
    """Its processes reach storage through the proxy; its context does not."""
    service: BlobServiceClient
    """Of the storage itself."""
    proxy: FaultProxy
    models: Models


def set_scene(choose: Choose, seed: int, mark: str, folder: Path, stack: contextlib.ExitStack) -> Scene:
    """Set everything up; storage misbehaves towards the app as `choose` says."""
    azurite, hosts = stack.enter_context(Azurite()), stack.enter_context(Azurite())
    proxy = stack.enter_context(FaultProxy(azurite.ports["Blob"], choose))
    direct = azurite.connection_string
    environment = {
        **app_environment("local", mark, direct),
        "ScoringStorage": connection_string(proxy.port, azurite.ports["Queue"], azurite.ports["Table"]),
        "AzureWebJobsStorage": hosts.connection_string,  # an account of its own, as on Azure
        "TMPDIR": str(folder),
        **_SETTINGS,
    }
    context = Context.open(Settings.from_environment({**environment, "ScoringStorage": direct}))
    stack.callback(context.store.close)
    stage = Stage(environment, context, direct)
    service = stack.enter_context(BlobServiceClient.from_connection_string(direct))
    return Scene(stage, service, proxy, _publish(stage, service, folder, seed))


def _publish(stage: Stage, service: BlobServiceClient, folder: Path, seed: int) -> Models:
    """Train two versions of each model, put one of each in place, and publish a pipeline for them."""
    versions = []
    for number in range(2):
        history, models = folder / f"history-{number}.csv", folder / f"models-{number}"
        history.write_text(_history(random.Random(seed + number)), "utf-8")  # noqa: S311
        # In this process, which has scikit-learn already: what a row should get, it asks the models itself.
        if scoring(["train", "--data", str(history), "--models", str(models)]):
            raise DemoError("the models cannot be trained: see above")
        versions.append(models)
    stage.make_containers()
    service.create_container(MODEL_VERSIONS)
    for file in sorted(versions[0].glob("model_*.skops")):
        stage.context.store.models.upload(file.name, file)
    stage.publish()
    return Models(
        service.get_container_client("models"), service.get_container_client(MODEL_VERSIONS), versions, seed
    )


def _history(chance: random.Random) -> str:
    rows = [
        f"2025-12-31 {row // 60:02}:{row % 60:02}:00,{device},{sensor},{value(device, sensor, chance)!r}"
        for row in range(_READINGS_TO_LEARN_FROM)
        for device, sensor in SENSORS
    ]
    return "\n".join(["TS,Device,Sensor,Value", *rows, ""])
