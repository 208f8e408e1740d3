"""Setup of the soak test: Azurite behind a proxy, two versions of each model, a published pipeline."""

import contextlib
import random
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from dev.azurite import Azurite, connection_string
from dev.demo.fleet import DemoError
from dev.demo.sandbox import Sandbox, app_environment
from dev.proxy import Choose, FaultProxy
from dev.soak.models import Models
from dev.soak.readings import SENSORS, value
from dev.soak.receiver import EventReceiver, event_receiver
from pipeline.flow.context import Context
from pipeline.notify.settings import NotifySettings, Sink, SinkKind, write_notify_settings
from pipeline.settings import Settings
from scoring.cli import main as scoring

MODEL_VERSIONS = "versions"
"""Name of the container with all versions of all models."""

_SETTINGS = {
    "AzureWebJobs.score_on_blob.Disabled": "true",  # the load sends events, as Event Grid does
    "SCORING_SCHEDULE": "*/15 * * * * *",
    "SCORING_MAX_ACTIVE_RUNS": "3",
    "SCORING_MAX_STEPS": "2",
    "SCORING_EPISODE_LEAST": "1",  # landings are short
    "SCORING_SHARDS": "2",  # so that a run that loses one has results
    "SCORING_STEP_TRIES": "1",  # so that a killed step is lost
    "SCORING_MAX_TRIES": "10",  # workers and steps are killed far more often than in production
    "SCORING_PENDING_MINUTES": "0.5",
    "SCORING_GRACE_MINUTES": "0.5",
    "SCORING_LOCAL_PROCESSES": "1",
}

_TRAINING_READINGS = 300


@dataclass(frozen=True, slots=True)
class SoakSetup:
    """Everything that exists before the first landing."""

    sandbox: Sandbox
    """Its processes reach storage through the proxy; its context does not."""
    service: BlobServiceClient
    """Client of the storage itself, without the proxy."""
    proxy: FaultProxy
    models: Models
    receiver: EventReceiver
    """Gets the events of the fleet."""


def set_up(choose: Choose, seed: int, mark: str, folder: Path, stack: contextlib.ExitStack) -> SoakSetup:
    """Set everything up; the app's requests to storage fail as `choose` decides."""
    azurite, hosts = stack.enter_context(Azurite()), stack.enter_context(Azurite())
    proxy = stack.enter_context(FaultProxy(azurite.ports["Blob"], choose))
    direct = azurite.connection_string
    environment = {
        **app_environment("local", mark, direct),
        "ScoringStorage": connection_string(proxy.port, azurite.ports["Queue"], azurite.ports["Table"]),
        "AzureWebJobsStorage": hosts.connection_string,  # a separate account, as on Azure
        "TMPDIR": str(folder),
        **_SETTINGS,
    }
    context = Context.open(Settings.from_environment({**environment, "ScoringStorage": direct}))
    stack.callback(context.store.close)
    sandbox = Sandbox(environment, context, direct)
    service = stack.enter_context(BlobServiceClient.from_connection_string(direct))
    models = _publish(sandbox, service, folder, seed)
    receiver = stack.enter_context(event_receiver(seed))
    sink = Sink(name="soak", kind=SinkKind.WEBHOOK, url=receiver.url)
    notify = NotifySettings(cool_down_seconds=0, sinks=(sink,))
    write_notify_settings(context.store.runs, notify.to_bytes(), "the soak test")
    return SoakSetup(sandbox, service, proxy, models, receiver)


def _publish(sandbox: Sandbox, service: BlobServiceClient, folder: Path, seed: int) -> Models:
    """Train two versions of each model, upload the first ones, and publish a pipeline for them."""
    versions = []
    for number in range(2):
        history, models = folder / f"history-{number}.csv", folder / f"models-{number}"
        history.write_text(_history(random.Random(seed + number)), "utf-8")  # noqa: S311
        # In this process, which imports scikit-learn anyway, for the checker.
        if scoring(["train", "--data", str(history), "--models", str(models)]):
            raise DemoError("the models cannot be trained: see above")
        versions.append(models)
    sandbox.make_containers()
    service.create_container(MODEL_VERSIONS)
    for file in sorted(versions[0].glob("model_*.skops")):
        sandbox.context.store.models.upload(file.name, file)
    sandbox.publish()
    return Models(
        service.get_container_client("models"), service.get_container_client(MODEL_VERSIONS), versions, seed
    )


def _history(chance: random.Random) -> str:
    rows = [
        f"2025-12-31 {row // 60:02}:{row % 60:02}:00,{device},{sensor},{value(device, sensor, chance)!r}"
        for row in range(_TRAINING_READINGS)
        for device, sensor in SENSORS
    ]
    return "\n".join(["TS,Device,Sensor,Value", *rows, ""])
