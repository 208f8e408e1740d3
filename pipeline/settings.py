"""Settings: typed, read once from the environment; all invalid ones are reported together.

Plain code, because importing a validation library would cost a cold start more than all this package does.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, Self

from pipeline.errors import SettingsError
from pipeline.setting_values import SettingValues
from scoring.formats import LEAST_EPISODE, MAX_REJECTED

CONNECTION = "ScoringStorage"
"""Prefix of the settings that say where blob storage is, as Azure Functions names connections."""

MAX_TRIES_LIMIT = 99

MAX_HOLD_MINUTES = 8
"""At functionTimeout, 10 minutes in host.json, the host kills a call and all other calls of its process."""

type EngineName = Literal["local", "azureml"]
type TimerMode = Literal["new", "all"]
type BlobSource = Literal["EventGrid", "LogsAndContainerScan"]

ENGINES: tuple[EngineName, ...] = ("local", "azureml")
TIMER_MODES: tuple[TimerMode, ...] = ("new", "all")
BLOB_SOURCES: tuple[BlobSource, ...] = ("EventGrid", "LogsAndContainerScan")

HOST_RESOLVES = {
    "SCORING_SCHEDULE": "0 0 * * * *",
    "SCORING_DATA_CONTAINER": "data",
    "SCORING_PREDS_CONTAINER": "preds",
}
"""Settings that function_app.py leaves to the Functions host, as `%NAME%`, and our default of each.

The host knows no default: where one has no value, the function that names it does not start.
"""

DEPLOYMENT_PARAMETERS = (
    *("EXISTING_STORAGE", "EXISTING_STORAGE_GROUP", "EXISTING_WORKSPACE", "EXISTING_WORKSPACE_GROUP"),
    *("CLUSTER_VM_SIZE", "CLUSTER_MAX_NODES", "CLUSTER_PRIORITY", "CLUSTER_IDLE_TIME"),
    *("STORAGE_REDUNDANCY", "ALERT_EMAIL"),
)
"""Parameters of infra/main.parameters.json that are no settings, less their prefix SCORING_.

They stand beside the settings in the environment of azd.
"""

_PREFIX = "SCORING_"
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ENDPOINT = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9_-]*)?/?")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Containers:
    """Names of the four containers."""

    data: str = "data"
    models: str = "models"
    preds: str = "preds"
    runs: str = "runs"


@dataclass(frozen=True, slots=True)
class Connection:
    """Address of blob storage and identity to use: a connection string, or an address and an identity."""

    connection_string: str | None = field(default=None, repr=False)
    blob_service_uri: str | None = None
    managed_identity: bool = False
    """Use the managed identity only; otherwise any identity that this machine offers."""
    client_id: str | None = None
    """Client id of the user-assigned identity, if there is one."""


@dataclass(frozen=True, slots=True)
class AzureMLWorkspace:
    """Where the `azureml` engine runs."""

    subscription: str
    resource_group: str
    workspace: str
    compute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Each one's environment variable is named where it is read, in `from_environment`."""

    connection: Connection
    containers: Containers = Containers()
    engine: EngineName = "local"
    azureml: AzureMLWorkspace | None = None
    """Always set if `engine` is `azureml`."""
    max_steps: int = 20
    """If there are more sensors, they are scored in shards."""
    shards: int | None = None
    """The number of shards; None for the number of processors of the engine."""
    max_active_runs: int = 20
    """With this many active runs, a new landing waits for a later run, or for the sweep."""
    max_tries: int = 3
    """Most tries of a run, including the first."""
    timer_mode: TimerMode = "new"
    pending_after: timedelta = timedelta(minutes=5)
    """A run that is pending for longer was abandoned by its submitter; the sweep resumes it."""
    grace: timedelta = timedelta(minutes=10)
    """How far before its watermark the sweep starts."""
    late_sweep: timedelta = timedelta(minutes=180)
    """A sweep that has not finished for this time is late: three intervals of the default schedule."""
    late_event: timedelta = timedelta(minutes=30)
    """A landing that is older and still has no run: its event did not arrive."""
    hold: timedelta = timedelta(minutes=4)
    """How long a call for a blob waits for storage and engine to respond again."""
    schedule: str = HOST_RESOLVES["SCORING_SCHEDULE"]
    blob_source: BlobSource = "EventGrid"
    """How the blob trigger detects blobs; the second polls, for Azurite and `func start`."""
    local_processes: int = 1
    """How many steps the local engine runs at once."""
    step_time_limit: timedelta = timedelta(minutes=60)
    step_tries: int = 3
    max_rejected: float = MAX_REJECTED
    """A run with a landing of which a larger share of the rows is rejected has succeeded partly."""
    episode_gap: float | None = None
    """Anomalies up to this number of seconds apart are one episode; None for 6 intervals of their sensor."""
    episode_least: int = LEAST_EPISODE
    """The number of anomalies that makes an episode worth reporting."""
    max_row_mb: int = 4
    """A longer row of CSV is rejected."""
    silent_after: timedelta = timedelta(hours=6)
    """A sensor whose last reading lags its fleet by more is silent, unless it usually sends less often."""
    max_unpacked_mb: int = 10_240
    """A compressed file of readings that holds more cannot be read."""
    mapping: str | None = None
    """How files that are not `TS,Device,Sensor,Value` are read, encoded for a command line.

    Empty if it was set to a mapping of nothing, `{}`; None if it was not set.
    """

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Read all settings.

        Raises:
            SettingsError: some are missing or invalid; the message names all of them.
        """
        reader = _Reader(environ)
        settings = cls._read(reader)
        if reader.problems:
            raise SettingsError(f"invalid settings: {'; '.join(sorted(reader.problems))}")
        return settings

    @classmethod
    def _read(cls, reader: "_Reader") -> Self:
        default = cls(connection=Connection())
        engine = reader.choice("SCORING_ENGINE", ENGINES, default.engine)
        silent_after = int(default.silent_after.total_seconds())
        return cls(
            connection=reader.connection(),
            containers=reader.containers(),
            engine=engine,
            azureml=reader.workspace() if engine == "azureml" else None,
            max_steps=reader.number("SCORING_MAX_STEPS", default.max_steps, 1, 10_000),
            shards=reader.number("SCORING_SHARDS", 0, 1, 1_000) or None,
            max_active_runs=reader.number("SCORING_MAX_ACTIVE_RUNS", default.max_active_runs, 1, 10_000),
            max_tries=reader.number("SCORING_MAX_TRIES", default.max_tries, 1, MAX_TRIES_LIMIT),
            timer_mode=reader.choice("SCORING_TIMER_MODE", TIMER_MODES, default.timer_mode),
            pending_after=reader.minutes("SCORING_PENDING_MINUTES", default.pending_after),
            grace=reader.minutes("SCORING_GRACE_MINUTES", default.grace),
            late_sweep=reader.minutes("SCORING_LATE_SWEEP_MINUTES", default.late_sweep),
            late_event=reader.minutes("SCORING_LATE_EVENT_MINUTES", default.late_event),
            hold=reader.minutes("SCORING_HOLD_MINUTES", default.hold, MAX_HOLD_MINUTES),
            schedule=reader.schedule("SCORING_SCHEDULE", default.schedule),
            blob_source=reader.choice("SCORING_BLOB_SOURCE", BLOB_SOURCES, default.blob_source),
            local_processes=reader.number("SCORING_LOCAL_PROCESSES", os.process_cpu_count() or 1, 1, 1_000),
            step_time_limit=reader.minutes("SCORING_STEP_MINUTES", default.step_time_limit),
            step_tries=reader.number("SCORING_STEP_TRIES", default.step_tries, 1, 100),
            silent_after=timedelta(
                seconds=reader.number("SCORING_SILENT_AFTER", silent_after, 1, 366 * 24 * 3600)
            ),
            max_rejected=reader.share("SCORING_MAX_REJECTED", default.max_rejected),
            episode_gap=reader.seconds("SCORING_EPISODE_GAP"),
            episode_least=reader.number("SCORING_EPISODE_LEAST", default.episode_least, 1, 1_000_000),
            max_row_mb=reader.number("SCORING_MAX_ROW_MB", default.max_row_mb, 1, 1_000),
            max_unpacked_mb=reader.number("SCORING_MAX_UNPACKED_MB", default.max_unpacked_mb, 1, 10_000_000),
            mapping=reader.mapping(),
        )

    @classmethod
    def names(cls) -> set[str]:
        """The environment variables that are read, less those of the workspace."""
        reader = _Reader({})
        cls._read(reader)
        return reader.names


def unresolved(environ: Mapping[str, str]) -> list[str]:
    """Which settings the Functions host finds no value for, each with the value to write."""
    return [
        f"{name} has no value, and the Functions host knows no default for it: set it to {default!r}"
        for name, default in HOST_RESOLVES.items()
        if not environ.get(name, "").strip()
    ]


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Which names look like settings and are not, each with the nearest that is."""
    known = Settings.names() | {f"{_PREFIX}{name}" for name in DEPLOYMENT_PARAMETERS}
    problems = []
    for name in sorted(name for name in environ if name.startswith(_PREFIX) and name not in known):
        from difflib import get_close_matches

        (nearest,) = get_close_matches(name, sorted(known), n=1, cutoff=0)
        problems.append(f"{name} is not a setting, so it is ignored: did you mean {nearest}?")
    return problems


class _Reader(SettingValues):
    """Reads the settings that have more than one value or a meaning of their own."""

    def mapping(self) -> str | None:
        value = self.text("SCORING_MAPPING")
        if value is None:
            return None
        from scoring.mapping import InvalidMapping
        from scoring.mapping_text import parse

        try:
            return parse(value).encoded
        except InvalidMapping as error:
            self.problems.append(f"SCORING_MAPPING: {str(error).removeprefix('mapping: ')}")
            return None

    def containers(self) -> Containers:
        names: dict[str, str] = {}
        for what in ("data", "models", "preds", "runs"):
            setting = f"SCORING_{what.upper()}_CONTAINER"
            value = self.text(setting) or what
            if not _CONTAINER.fullmatch(value):
                self.wrong(
                    setting, "a container name (3 to 63 lower-case letters, digits and single hyphens)", value
                )
            elif value in names.values():
                self.wrong(setting, "a container of its own", value)
            names[what] = value
        return Containers(**names)

    def connection(self) -> Connection:
        connection_string = self.text(CONNECTION)
        uri = self.text(f"{CONNECTION}__blobServiceUri")
        if connection_string is not None:  # takes precedence over the other form, as in the Functions host
            if not _is_connection_string(connection_string):
                self.problems.append(
                    f"{CONNECTION}: expected a storage connection string such as UseDevelopmentStorage=true"
                    ", found something else (not shown here, it can hold a key)"
                )
            return Connection(connection_string)
        if uri is None:
            self.problems.append(
                f"{CONNECTION}: expected a storage connection string, or an address in "
                f"{CONNECTION}__blobServiceUri, found neither"
            )
            return Connection()
        name = f"{CONNECTION}__blobServiceUri"
        if not re.fullmatch(r"https://[A-Za-z0-9.:_-]+(/[A-Za-z0-9_-]*)?", uri):
            # Cut before a query: it could be a shared access signature.
            self.wrong(
                name, "an address such as https://ACCOUNT.blob.core.windows.net", uri.partition("?")[0]
            )
        credential = self.choice(f"{CONNECTION}__credential", ("managedidentity",), "")
        client_id = self.matching(
            f"{CONNECTION}__clientId", _GUID.fullmatch, "the client id of an identity (a GUID)"
        )
        return Connection(
            blob_service_uri=uri.rstrip("/"),
            managed_identity=bool(credential),
            client_id=client_id,
        )

    def workspace(self) -> AzureMLWorkspace:
        values = []
        for name, expected in (
            ("AZURE_SUBSCRIPTION_ID", "the subscription of the workspace (a GUID)"),
            ("AZURE_RESOURCE_GROUP", "the resource group of the workspace"),
            ("AZUREML_WORKSPACE_NAME", "the Azure Machine Learning workspace"),
            ("AZUREML_COMPUTE", "the compute cluster to run on"),
        ):
            value = self.text(name)
            if value is None or (name == "AZURE_SUBSCRIPTION_ID" and not _GUID.fullmatch(value)):
                self.wrong(name, f"{expected}, because SCORING_ENGINE is azureml", value)
            values.append(value or "")
        return AzureMLWorkspace(*values)


def _is_connection_string(text: str) -> bool:
    pairs = [part.partition("=") for part in text.rstrip(";").split(";")]
    values = {name.lower(): value for name, equals, value in pairs if equals}
    if len(values) != len(pairs):
        return False
    if values.get("usedevelopmentstorage") == "true":
        return True
    if not _ENDPOINT.fullmatch(values.get("blobendpoint", "https://account")):
        return False
    has_secret = "sharedaccesssignature" in values or {"accountname", "accountkey"} <= values.keys()
    return has_secret and bool({"accountname", "blobendpoint"} & values.keys())
