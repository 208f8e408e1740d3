"""The engine for Azure Machine Learning: a registered pipeline component, one pipeline job for each run.

    publish   publish   environment, code and components, under versions made from their content
    submit    jobs      one PUT under the name of the run; inputs are paths on datastores
    status    statuses  the status of the job, and the summary that its last step wrote

Steps are not the only ones that can write predictions. So a run's folder counts only if the service reports
that `collect` has finished, and the summary is the one whose hash `collect` logged.

The SDK is imported at its first use, which takes a second; the local engine never imports it.
"""

import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pipeline.engine import Engine, StepState, StepStatus
from pipeline.engines.azureml import endpoint, jobs, publish, schedule, setup
from pipeline.engines.azureml.schedule import Scheduled, Trigger
from pipeline.engines.azureml.setup import Datastores, datastore_uri
from pipeline.engines.azureml.statuses import states
from pipeline.engines.azureml.workspace import Workspace
from pipeline.engines.summary import mismatch, read_status
from pipeline.errors import (
    EngineError,
    EngineUnreachable,
    IllegalTransition,
    InvalidRequest,
    NotFound,
    RunDocumentError,
    SettingsError,
)
from pipeline.published.build import COLLECT
from pipeline.published.documents import PublishedPipeline
from pipeline.published.publish import step_names
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.runs.store import Runs
from pipeline.runs.summary import read_summary
from pipeline.settings import Settings
from pipeline.step_environment import ROOT
from pipeline.storage.account import Store
from scoring.formats import MANIFEST_JSON, SUCCESS, SUMMARY_JSON, SUMMARY_LINE

if TYPE_CHECKING:
    from pipeline.published.documents import Documents

NAME = "azureml"

logger = logging.getLogger("pipeline.azureml")


class AzureMLEngine:
    """Runs published pipelines as pipeline jobs of a workspace."""

    def __init__(self, settings: Settings, store: Store, runs: Runs, *, code: Path = ROOT) -> None:
        """`code` is the folder with the `scoring` package of steps: publishing uploads it."""
        if settings.azureml is None:
            raise SettingsError("the engine azureml needs AZURE_SUBSCRIPTION_ID and the settings beside it")
        self.store = store
        self.runs = runs
        self.code = code
        self.workspace = Workspace(settings.azureml, settings.connection.client_id)
        self.datastores = Datastores(store.account, settings.containers)

    @classmethod
    def of(cls, engine: Engine, what: str) -> Self:
        """`engine`, if it is this engine; `what` needs it.

        Raises:
            InvalidRequest: the settings name another engine.
        """
        if not isinstance(engine, cls):
            raise InvalidRequest(f"{what} are for Azure ML: set SCORING_ENGINE={NAME}")
        return engine

    # Publishing

    def processors(self) -> int:
        """The processors of all nodes that the cluster can have."""
        return setup.processors(self.workspace)

    def publish(self, documents: "Documents") -> PublishedPipeline:
        """Register what is missing; if nothing is, this is one call."""
        component = publish.register(self.workspace, self.datastores, documents, self.code)
        return PublishedPipeline(
            version=documents.version, engine=NAME, component=component, steps=documents.steps
        )

    def set_up(self) -> list[str]:
        """Create missing datastores and the cluster; returns a line for each that it created."""
        return setup.set_up(self.workspace, self.datastores)

    def grants(self) -> list[str]:
        """The commands that assign the roles that the cluster's identity needs."""
        return setup.grants(self.workspace, self.datastores)

    def deploy(self, published: PublishedPipeline) -> str:
        """Put a published pipeline behind the batch endpoint, as its default; returns the endpoint's name."""
        return endpoint.deploy(self.workspace, _component(published), published.version)

    def roll_back(self, version: str) -> str:
        """Make an earlier version the default of the batch endpoint; returns the endpoint's name."""
        return endpoint.roll_back(self.workspace, version)

    # A schedule of the workspace

    def schedule(self, published: PublishedPipeline, trigger: Trigger) -> None:
        """Let the workspace score all readings at set times: creates or changes the schedule."""
        stores = self.datastores
        request = jobs.Request(
            run=schedule.RUN,
            component=_component(published),
            folders={"data": datastore_uri(stores.data), "models": datastore_uri(stores.models)},
            files={},
            texts={"run": schedule.RUN},
            tags={"cause": "schedule", "published": published.version},
        )
        schedule.create(self.workspace, trigger, request)

    def scheduled(self) -> Scheduled | None:
        """The schedule; None if there is none."""
        return schedule.find(self.workspace)

    def unschedule(self) -> bool:
        """Remove the schedule; whether there was one."""
        return schedule.remove(self.workspace)

    # Runs

    def submit(self, record: RunRecord, published: PublishedPipeline) -> None:
        """Submit a run as a job of the same name: one call. An existing job does not change."""
        stores = self.datastores
        request = jobs.Request(
            run=record.run,
            component=_component(published),
            folders={"data": datastore_uri(stores.data), "models": datastore_uri(stores.models)},
            files={"manifest": datastore_uri(stores.runs, f"{record.run}/{MANIFEST_JSON}")},
            texts={"run": record.run},
            tags={
                "cause": f"{record.cause.kind}: {record.cause.detail}",
                "landings": f"{self.store.containers.runs}/{record.run}/{MANIFEST_JSON}",
                "published": published.version,
            },
        )
        jobs.submit(self.workspace, request)

    def status(self, record: RunRecord) -> RunStatus:
        """The status of a run: that of its job, and when `collect` has written them, that of its results."""
        run = record.run
        job = jobs.find(self.workspace, run)
        if job is None:
            return self._without_job(record)
        state, _ = states(job.status)
        if state not in {RunState.RUNNING, RunState.SUCCEEDED, RunState.FAILED}:
            return RunStatus(state=state)
        has_results = self.store.preds.exists(f"{run}/{SUCCESS}")
        if state is RunState.RUNNING and not has_results:
            return RunStatus(state=state)
        return self._result(run, state, has_results=has_results)

    def steps(self, run: str) -> list[StepStatus]:
        """Steps in the order of the pipeline; those that the service has not started are waiting."""
        job = jobs.find(self.workspace, run)
        if job is None:
            self.runs.load(run)
            return []
        has_ended = states(job.status)[0].final
        started = {str(child.display_name): child for child in jobs.children(self.workspace, run)}
        names = dict.fromkeys([*self._names(run), *sorted(started)])
        return [_step(name, started.get(name), job_has_ended=has_ended) for name in names]

    def logs(self, run: str, known: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Name and current log of each started step: two calls for each."""
        for child in jobs.children(self.workspace, run):
            if child.display_name not in known:
                yield str(child.display_name), jobs.log(self.workspace, child)

    def cancel(self, record: RunRecord) -> None:
        """Request that the job stops; a run without a job is canceled at once."""
        status = self.status(record)
        if status.state.final:
            return
        jobs.cancel(self.workspace, record.run)
        if status.lost:
            with suppress(IllegalTransition):  # it has finished in the meantime
                self.runs.advance(record, RunState.CANCELED)

    def _without_job(self, record: RunRecord) -> RunStatus:
        """The status of a run that the workspace has no job for."""
        if record.state.final:
            return record.status
        where = f"Azure ML workspace {self.workspace.where.workspace!r}"
        # Submitting it again is safe: a job that appears late is found by its name.
        lost = record.state is not RunState.PENDING
        return RunStatus(
            state=record.state, error=f"{where} has no job {record.run}" if lost else None, lost=lost
        )

    def _result(self, run: str, state: RunState, *, has_results: bool) -> RunStatus:
        """The status of a run whose job is in `state`, and has results or has finished without.

        `collect` finishes minutes before its job, and run history can lag: its log shows that it is done.
        Without `collect` there are no results, in any status of the job: lost steps do not fail it.
        """
        children = jobs.children(self.workspace, run)
        collect = next((child for child in children if child.display_name == COLLECT), None)
        collected = StepState.WAITING if collect is None else states(collect.status)[1]
        is_collecting = collected is StepState.RUNNING
        if has_results and (is_collecting or collected is StepState.SUCCEEDED):
            status = self._collected(run, collect, has_ended=not is_collecting)
            if status is not None:
                return status
        if state is RunState.RUNNING or is_collecting:
            return RunStatus(state=RunState.RUNNING)
        return RunStatus(state=RunState.FAILED, error=_failures(children), retry=True)

    def _collected(self, run: str, collect: Any, *, has_ended: bool) -> RunStatus | None:
        """How a run ended, by its summary, if that is the one that `collect` wrote.

        None if `collect` has not ended, as far as the service says, and not logged this summary either.
        """
        path = f"{run}/{SUMMARY_JSON}"
        where = f"{self.store.preds.name}/{path}"
        try:
            data = self.store.preds.read(path).data
            logged = self._logged(collect)
            is_logged = logged == hashlib.sha256(data).hexdigest()
            if not (has_ended or is_logged):
                return None
            if not (is_logged or logged is None):
                problem: str | None = f"{where} is not what {COLLECT} wrote"
            else:
                problem = mismatch(read_summary(data, where), self.runs.manifest(run), where)
            if problem is None:
                return read_status(data, where, self._names(run))
        except NotFound:
            if not has_ended:
                return None
            return RunStatus(state=RunState.FAILED, error=f"{where} was removed, {SUCCESS} beside it was not")
        except RunDocumentError as error:
            # Another try would predict its readings again.
            return RunStatus(state=RunState.FAILED, error=str(error))
        why = f"{problem}: find out who else writes to container {self.store.preds.name!r}"
        return RunStatus(state=RunState.FAILED, error=why, retry=True)

    def _logged(self, collect: Any) -> str | None:
        """The hash of its summary that `collect` logged; None if the service has no log of it.

        The service keeps the log, outside of our containers. The code of earlier releases logs no hash.
        """
        try:
            lines = jobs.log(self.workspace, collect).split("\n")
        except EngineUnreachable:
            raise
        except EngineError as error:
            logger.warning("the log of %s cannot be read: %s", COLLECT, error)
            return None
        hashes = [line.removeprefix(SUMMARY_LINE).strip() for line in lines if line.startswith(SUMMARY_LINE)]
        return hashes[-1] if hashes else None

    def _names(self, run: str) -> list[str]:
        """Names of all steps, in the order of the published pipeline of the run."""
        return step_names(self.store, self.runs.load(run).published)


def _component(published: PublishedPipeline) -> str:
    if published.engine != NAME or published.component is None:
        raise EngineError(
            f"version {published.version} was published for {published.engine}, not for {NAME}: "
            "run python -m pipeline publish"
        )
    return published.component


def _failures(children: Iterable[Any]) -> str:
    """Why a job has no results: the error of its first failed step."""
    for child in children:
        if states(child.status)[1] is StepState.FAILED:
            why = jobs.error_of(child) or "see its log"
            return f"its job has no results: step {child.display_name}: {why}"
    return "its job has no results: see it in Azure ML studio"


def _step(name: str, child: Any | None, *, job_has_ended: bool) -> StepStatus:
    if child is None:
        # If the job has finished, the step never started: its input was missing, or the job was canceled.
        return StepStatus(name=name, state=StepState.CANCELED if job_has_ended else StepState.WAITING)
    state = states(child.status)[1]
    return StepStatus(
        name=name,
        state=state,
        started=child.start_time_utc,
        ended=child.end_time_utc,
        tries=0 if state is StepState.WAITING else 1,
        error=jobs.error_of(child) if state is StepState.FAILED else None,
    )
