"""Pipeline jobs: submitted once under a run's name, looked up, cancelled, their steps and logs read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline.engines.azureml.workspace import Workspace, is_missing, status_of
from pipeline.errors import EngineError, EngineUnreachable
from pipeline.redact import redacted

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

EXPERIMENT = "fleet-scoring"
MAX_TAG = 256
"""Longest tag that is sent; the service takes 1,000 characters."""

MAX_ERROR = 300

_JOB_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")
_STEP_LOG = "user_logs/std_log.txt"


@dataclass(frozen=True, slots=True)
class Request:
    """The job that a run needs."""

    run: str
    component: str
    """Full id of the registered pipeline."""
    folders: Mapping[str, str]
    """URIs of the inputs that are folders, by input."""
    files: Mapping[str, str]
    """URIs of the inputs that are files."""
    texts: Mapping[str, str]
    """Inputs that are plain texts, but not times such as 2026-11-23T05:00:00Z: the service fails on them."""
    tags: Mapping[str, str] = field(default_factory=dict)


def submit(workspace: Workspace, request: Request) -> None:
    """Submit a run as one pipeline job: one PUT. An equal job of this name counts as this one.

    The service responds to a second PUT with the existing job, or refuses it; the SDK sends a second one
    itself if the connection broke after the service accepted the first. There is one job in each case.

    Raises:
        EngineError: the service refuses the job, does not respond, or has another job of this name.
    """
    from azure.core.exceptions import HttpResponseError

    run = request.run
    if not _JOB_NAME.fullmatch(run):
        raise EngineError(
            f"{run[:80]!r} cannot name an Azure ML job: use up to 255 letters, digits, '-' and '_', "
            "a letter or digit first"
        )
    with workspace.translated(f"cannot submit run {run}"):
        job = pipeline_job(workspace, request)
        try:
            # Its form is always the same; validating it would take longer than sending it.
            workspace.client.jobs.create_or_update(job, skip_validation=True)
        except HttpResponseError as error:
            if not is_taken(error):
                raise
            _compare(workspace, request)


def is_taken(error: "HttpResponseError") -> bool:
    """Whether the service refused a job because there is one of its name."""
    return status_of(error) in {400, 409} and "JobPropertyImmutable" in str(error)


def find(workspace: Workspace, run: str) -> Any | None:
    """The job of a run, or None if there is none: one call."""
    return workspace.find(f"cannot look up run {run}", lambda: workspace.client.jobs.get(run))


def cancel(workspace: Workspace, run: str) -> None:
    """Request that a job stops; no error if it has finished, or never existed."""
    from azure.core.exceptions import HttpResponseError

    with workspace.translated(f"cannot cancel run {run}"):
        try:
            workspace.client.jobs.begin_cancel(run, polling=False)
        except HttpResponseError as error:
            if not is_missing(error) and "TerminalStatus" not in str(error):
                raise


def pipeline_job(workspace: Workspace, request: Request) -> Any:
    """The job of the SDK for a request."""
    from azure.ai.ml import Input
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

    folders = {name: Input(type="uri_folder", path=uri) for name, uri in request.folders.items()}
    files = {name: Input(type="uri_file", path=uri) for name, uri in request.files.items()}
    return PipelineJob(
        name=request.run,
        display_name=request.run,
        experiment_name=EXPERIMENT,
        component=request.component,
        inputs={**folders, **files, **request.texts},
        # The service ignores these settings in @pipeline and in the document of the component.
        settings=PipelineJobSettings(
            default_compute=workspace.where.compute, continue_on_step_failure=True, force_rerun=True
        ),
        tags={name: text[:MAX_TAG] for name, text in request.tags.items()},
    )


def _compare(workspace: Workspace, request: Request) -> None:
    """Check that the job of this name is the one that was to be submitted."""
    found = find(workspace, request.run)
    if found is None:
        raise EngineUnreachable(
            f"cannot submit run {request.run}: Azure ML says it exists, but does not find it; try again later"
        )
    component = str(getattr(found, "component", ""))
    found_inputs = {name: _text(value) for name, value in dict(found.inputs).items()}
    asked = {**request.folders, **request.files, **request.texts}
    pairs = [
        ("its component", component.removeprefix("azureml:").lower(), request.component.lower()),
        *((f"its input {name}", found_inputs.get(name), text) for name, text in asked.items()),
    ]
    differs = [f"{what} is {is_now!r}" for what, is_now, should in pairs if _place(is_now) != _place(should)]
    if differs:
        raise EngineError(
            f"cannot submit run {request.run}: there is another job of this name in Azure ML workspace "
            f"{workspace.where.workspace!r} ({differs[0]}); use another name"
        )


def _text(value: Any) -> str:
    """The original value of an input of a job: the SDK wraps it."""
    data = getattr(value, "_data", value)
    return str(getattr(data, "path", data))


def _place(text: str | None) -> str | None:
    """A datastore URI without its beginning, which has a short and a long form."""
    return text.partition("/datastores/")[2] or text if text and text.startswith("azureml:") else text


# Run history. The public API of the SDK has neither times nor errors of steps, and logs of whole jobs only.
# So this sends the requests that `jobs.list` and `jobs.stream` of the SDK send.


def children(workspace: Workspace, run: str) -> list[Any]:
    """The steps of a job that were started: their names, statuses, times and errors."""
    where = workspace.where
    found: list[Any] = []
    token: str | None = None
    while True:
        answers: list[Any] = []
        with workspace.translated(f"cannot list the steps of run {run}"):
            runs = workspace.client.jobs._runs_operations._operation  # noqa: SLF001
            page = runs.get_child(
                *(where.subscription, where.resource_group, where.workspace, run),
                continuationtoken=token,
                # The SDK reads the first page only: version 1.35 drops the link to the next.
                raw_response_hook=answers.append,
            )
            found.extend(page)
            token = answers[-1].http_response.json().get("continuationToken")
        if not token:
            return found


def error_of(child: Any) -> str | None:
    """Why a step failed, in one line; None if it is not known."""
    message = getattr(getattr(getattr(child, "error", None), "error", None), "message", None)
    return redacted(" ".join(str(message).split()))[:MAX_ERROR] if message else None


def log(workspace: Workspace, child: Any) -> str:
    """What a step has written so far; empty if there is no log yet."""
    with workspace.translated(f"cannot read the log of step {child.display_name}"):
        details = workspace.client.jobs._runs_operations.get_run_details(child.run_id)  # noqa: SLF001
        urls = details.log_files or {}
        if _STEP_LOG not in urls:
            return ""
        # The URL contains a signature, so the request needs no token.
        answer = workspace.client.jobs._requests_pipeline.get(urls[_STEP_LOG])  # noqa: SLF001
        answer.raise_for_status()
        return str(answer.text())
