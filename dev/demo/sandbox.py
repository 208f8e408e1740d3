"""A sandbox for the app: Azurite with containers and models, a published pipeline, and a function host."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dev.azurite import Azurite
from dev.demo.fleet import Fleet, Landing, Log
from dev.demo.marked_processes import MARK, kill_marked, temporary_folder
from dev.host.blob_scan import receipt_name
from dev.host.listeners import HOSTS_CONTAINER
from dev.host.process import HostProcess
from dev.host.settings import HOST_ID
from pipeline.errors import NotFound
from pipeline.flow.context import Context
from pipeline.runs.names import landing_key
from pipeline.settings import Settings

if TYPE_CHECKING:
    from dev.azureml.server import Emulator
    from pipeline.engines.azureml.engine import AzureMLEngine

REPO = Path(__file__).resolve().parents[2]

_HOST_ID = "fleetdemo"
_BLOB_FUNCTION = "Host.Functions.score_on_blob"
_COMPUTE = "cpu-cluster"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox and what can be done in it."""

    environment: Mapping[str, str]
    """Environment of all processes: settings of the app, and the demo's mark."""
    context: Context
    connection: str
    emulator: "Emulator | None" = None
    """The Azure Machine Learning emulator, if that is the engine."""

    def make_containers(self) -> None:
        """Create the four containers."""
        store = self.context.store
        for container in (store.data, store.models, store.preds, store.runs):
            container.ensure()

    def upload_models(self, fleet: Fleet) -> int:
        """Upload the models to the models container; returns how many."""
        from pipeline.flow.upload import compare, select_models, upload

        models, files = self.context.store.models, select_models([fleet.models]).files
        upload(models, compare(models.find, files), lambda _: None)
        return len(files)

    def publish(self) -> str:
        """Publish the pipeline for the uploaded models; returns a line that describes it."""
        from pipeline.published.publish import publish

        if self.context.settings.engine == "azureml":
            cast("AzureMLEngine", self.context.engine).set_up()  # a new emulator is empty
        published = publish(self.context.store, self.context.settings, self.context.engine).published
        return (
            f"Published pipeline {published.version}: {published.steps:,} scoring steps, and one that "
            "collects their results."
        )

    def upload(self, landing: Landing) -> str:
        """Upload readings; returns the key of the landing."""
        data = self.context.store.data
        etag = data.upload(landing.name, landing.file)
        return landing_key(self.context.store.account, data.name, landing.name, etag)

    def upload_without_event(self, landing: Landing) -> str:
        """Upload readings with the host's receipt, as if their event was lost; returns the landing's key.

        Pause a running host meanwhile (`HostProcess.held`): it could poll between the two uploads.
        """
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import ContainerClient

        data = self.context.store.data
        etag = data.upload(landing.name, landing.file)
        receipt = receipt_name(_HOST_ID, _BLOB_FUNCTION, data.name, landing.name, etag)
        with ContainerClient.from_connection_string(self.connection, HOSTS_CONTAINER) as hosts:
            with contextlib.suppress(ResourceExistsError):
                hosts.create_container()
            hosts.upload_blob(receipt, b"")
        return landing_key(self.context.store.account, data.name, landing.name, etag)

    def claims(self, keys: Iterable[str]) -> dict[str, str]:
        """The runs that have claimed these landings, by key; unclaimed landings are left out."""
        found = {}
        for key in keys:
            with contextlib.suppress(NotFound):
                found[key] = self.context.store.runs.read(f"landings/{key}").data.decode().strip()
        return found

    def start_host(self, log: Log) -> HostProcess:
        """Start the function app in the development host."""

        def echo(line: str) -> None:
            if "Auth level is not applied" not in line:  # azure-functions warns apps without HTTP triggers
                log(f"  host | {line}")

        return HostProcess(REPO, self.environment, poll=0.5, echo=echo)


def app_environment(engine: str, mark: str, connection: str) -> dict[str, str]:
    """The current environment, with the app's settings for storage at `connection`."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SCORING_", "Scoring"))},
        MARK: mark,
        "PYTHONPATH": str(REPO),
        HOST_ID: _HOST_ID,
        "AzureWebJobsStorage": connection,
        "ScoringStorage": connection,
        "SCORING_ENGINE": engine,
        "SCORING_BLOB_SOURCE": "LogsAndContainerScan",
        "SCORING_SCHEDULE": "0 0 * * * *",
        "SCORING_DATA_CONTAINER": "data",
        "SCORING_PREDS_CONTAINER": "preds",
        # A local worker concludes its run itself.
        "AzureWebJobs.conclude_on_success.Disabled": str(engine == "local").lower(),
    }


def open_sandbox(
    engine: str, mark: str, stack: contextlib.ExitStack, more: Mapping[str, str] | None = None
) -> Sandbox:
    """Start Azurite, and the Azure Machine Learning emulator if that is the engine.

    `more` holds settings that extend or override the demo's own.
    """
    azurite = stack.enter_context(Azurite())
    connection = azurite.connection_string
    temporary = stack.enter_context(temporary_folder(mark))
    stack.callback(kill_marked, mark)  # before that folder is removed: workers write to it
    environment = {**app_environment(engine, mark, connection), "TMPDIR": temporary, **(more or {})}
    emulator = None
    if engine == "azureml":
        from dev.azureml.server import Emulator

        emulator = stack.enter_context(Emulator(connection))
        environment |= {**emulator.environment, "AZUREML_COMPUTE": _COMPUTE}
        stack.callback(_restore, {name: os.environ.get(name) for name in emulator.environment})
        os.environ |= emulator.environment  # the SDK in this process reads them too
    context = Context.open(Settings.from_environment(environment))
    stack.callback(context.store.close)
    return Sandbox(environment, context, connection, emulator)


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, text in variables.items():
        if text is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = text
