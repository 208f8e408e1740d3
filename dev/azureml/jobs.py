"""Pipeline jobs: what is accepted, the response to a second job of a name, and cancellation."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dev.azureml.answers import Answer, Call, bad_argument, not_found, resource
from dev.azureml.specs import ASSETS, required
from dev.azureml.workspace import Workspace

JOB_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
FINAL = frozenset({"Completed", "Failed", "Canceled"})
MAX_TAGS, MAX_TAG = 50, 1000
IMMUTABLE = ("componentId", "inputs", "outputs", "jobs", "settings", "computeId", "experimentName")
EXISTS = (
    "A job with this name already exists. If you are trying to create a new job, use a different name. "
    "If you are trying to update an existing job, the existing job's {Settings, Inputs, Outputs, Jobs, "
    "InputBindings, OutputBindings} cannot be changed. Only description, tags, displayName, properties, "
    "and isArchived can be updated."
)

type Duplicates = Literal["same", "refuse"]
"""The response to a second PUT of identical content: the existing job, or 400. Both have been observed."""


@dataclass(slots=True)
class Step:
    """One step of a job, as run history shows it."""

    run: str
    name: str
    log: Path
    """What its process has written."""
    status: str = "NotStarted"
    started: str | None = None
    ended: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Job:
    """One pipeline job."""

    name: str
    properties: dict[str, Any]
    status: str = "NotStarted"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    steps: dict[str, Step] = field(default_factory=dict)
    error: str | None = None
    log: str = ""
    """One line per event."""
    canceled: threading.Event = field(default_factory=threading.Event)


class Jobs:
    """Handlers of jobs; `start` is called once for each that is accepted."""

    def __init__(self, workspace: Workspace, start: Callable[[Job], None]) -> None:
        self.workspace = workspace
        self.start = start
        self.jobs: dict[str, Job] = {}
        self.duplicates: Duplicates = "same"

    def put(self, call: Call) -> Answer:
        """Accept a job, or respond for the existing one of its name."""
        name, sent = call.names["name"], call.body.get("properties")
        if not JOB_NAME.fullmatch(name):
            raise bad_argument(f"The job name {name!r} does not match the pattern {JOB_NAME.pattern}.")
        if not isinstance(sent, dict) or sent.get("jobType") != "Pipeline":
            raise bad_argument("This emulator accepts pipeline jobs only.")
        with self.workspace.lock:
            properties = self.checked(sent)
            if old := self.jobs.get(name):
                return self._again(old, properties)
            job = self.jobs[name] = Job(name, properties)
            answer = self._show(job)
        self.start(job)
        if _has_instant(properties):  # the pipeline runs, although its submitter gets an error
            raise bad_argument(EXISTS, "JobPropertyImmutable")
        return Answer(201, answer)

    def get(self, call: Call) -> Answer:
        """One job."""
        return Answer(200, self._show(self.find(call.names["name"])))

    def list(self, _: Call) -> Answer:
        """All jobs, the newest first."""
        with self.workspace.lock:
            newest = sorted(self.jobs.values(), key=lambda job: job.created, reverse=True)
            return Answer(200, {"value": [self._show(job) for job in newest]})

    def cancel(self, call: Call) -> Answer:
        """Ask a job to stop."""
        job = self.find(call.names["name"])
        with self.workspace.lock:
            if job.status in FINAL:
                message = f"The pipeline run {job.name} is in terminal status, it can't be canceled."
                raise bad_argument(message, "CancelPipelineRunInTerminalStatus")
            job.status = "CancelRequested"
        job.canceled.set()
        done = f"{self.workspace.url}{self.workspace.id('jobs', job.name)}?api-version=2023-04-01-preview"
        return Answer(202, None, {"Location": done})

    def find(self, name: str) -> Job:
        """The job of this name."""
        with self.workspace.lock:
            if name not in self.jobs:
                raise not_found(f"Job {name} not found in this workspace.", "JobNotFound")
            return self.jobs[name]

    def checked(self, sent: dict[str, Any]) -> dict[str, Any]:
        """A job's properties as they are stored, if it is valid."""
        component = str(sent.get("componentId"))
        spec = self.workspace.specs.get(component)
        if spec is None or spec.get("type") != "pipeline":
            raise bad_argument(f"Not found pipeline component {component}.", "ComponentNotFound")
        compute = sent.get("settings", {}).get("default_compute")
        if compute not in self.workspace.resources:
            raise bad_argument(f"Could not find compute {compute!r} for the steps.", "ComputeNotFound")
        if not sent.get("experimentName"):
            raise bad_argument("A job needs an experimentName.")
        _check_tags(sent.get("tags", {}))
        declared, given = spec.get("inputs", {}), sent.get("inputs", {})
        if missing := required(declared) - set(given):
            raise bad_argument(f"Required inputs are missing: {sorted(missing)}.", "MissingInputs")
        for name, value in given.items():
            if name not in declared:
                raise bad_argument(f"The pipeline has no input {name!r}.")
            self._check_input(name, value, str(declared[name]["type"]))
        return {"tags": {}, "outputs": {}, "jobs": {}, **sent}

    def _check_input(self, name: str, value: Mapping[str, Any], declared: str) -> None:
        kind = value.get("jobInputType")
        if declared not in ASSETS:
            if kind != "literal" or not isinstance(value.get("value"), str):
                raise bad_argument(f"Input {name!r} is a {declared}: expected a literal text, not {value}.")
        elif kind != declared:
            raise bad_argument(f"Input {name!r} is of type {declared}, not {kind}.")
        else:
            self.workspace.container(str(value.get("uri")))

    def _again(self, old: Job, properties: dict[str, Any]) -> Answer:
        """A second job of a name is never started; the response depends on what differs."""
        changed = any(old.properties.get(key) != properties.get(key) for key in IMMUTABLE)
        if changed or self.duplicates == "refuse":
            raise bad_argument(EXISTS, "JobPropertyImmutable")
        old.properties["tags"] = properties.get("tags", {})
        return Answer(200, self._show(old))

    def _show(self, job: Job) -> dict[str, Any]:
        studio = f"https://ml.azure.com/runs/{job.name}?wsid={self.workspace.scope.id}"
        tracking = f"azureml://emulator/mlflow/v1.0{self.workspace.scope.id}?"
        services = {
            kind: {"jobServiceType": kind, "endpoint": endpoint}
            for kind, endpoint in (("Tracking", tracking), ("Studio", studio))
        }
        properties = {**job.properties, "status": job.status, "services": services, "jobs": {}}
        return resource(self.workspace.id("jobs", job.name), job.name, "jobs", properties)


def _check_tags(tags: Mapping[str, Any]) -> None:
    if len(tags) > MAX_TAGS:
        raise bad_argument(f"A job has at most {MAX_TAGS} tags, this one has {len(tags)}.")
    for name, text in tags.items():
        if not isinstance(text, str) or len(text) > MAX_TAG:
            raise bad_argument(f"The tag {name!r} is not a text of at most {MAX_TAG} characters.")


def _has_instant(properties: Mapping[str, Any]) -> bool:
    """Whether a literal input looks like a time with T and Z: the service fails on those."""
    return any(
        INSTANT.fullmatch(str(value.get("value")))
        for value in properties.get("inputs", {}).values()
        if value.get("jobInputType") == "literal"
    )
