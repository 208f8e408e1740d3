"""The engine for one machine: a detached worker process for each run.

submit   starts a worker and does not wait; a worker exits at once if another one works on the run. The first
         worker that is killed is replaced at once, if this process is still alive, and otherwise by a sweep
status   the record of the run, which the worker updates, and whether a worker holds the lease of the run
cancel   ends a run that has not started; otherwise the worker finds the request within a second or two
"""

import json
import logging
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.engine import StepStatus
from pipeline.engines.local import step_states
from pipeline.engines.local.machine import Machine, default_folder
from pipeline.errors import EngineError, IllegalTransition, NotFound, PipelineError
from pipeline.published.documents import PublishedPipeline
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.step_environment import ROOT, hide_process, without_secrets
from pipeline.storage.account import Store

if TYPE_CHECKING:
    from pipeline.published.documents import Documents

NAME = "local"
START = timedelta(seconds=30)
"""Longest time from the start of a worker to its lease."""

_WITH_WORKER = frozenset({RunState.SUBMITTED, RunState.RUNNING})

logger = logging.getLogger(__name__)


class LocalEngine:
    """Runs published pipelines on this machine."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        runs: Runs,
        *,
        folder: Path | None = None,
        code: Path = ROOT,
    ) -> None:
        """`folder` is shared by all workers of this machine; `code` is where steps find `scoring`."""
        self.settings = settings
        self.store = store
        self.runs = runs
        self.folder = folder or default_folder()
        self.code = code

    def processors(self) -> int:
        """As many as steps run at once."""
        return self.settings.local_processes

    def publish(self, documents: "Documents") -> PublishedPipeline:
        """Check that the documents can be executed here; nothing is stored."""
        from pipeline.engines.local.graph import Pipeline
        from pipeline.published.build import SCORE_FILE

        Pipeline.read(documents.pipeline_yml, {SCORE_FILE: documents.score_yml})
        return PublishedPipeline(version=documents.version, engine=NAME, steps=documents.steps)

    def submit(self, record: RunRecord, published: PublishedPipeline) -> None:
        """Start a worker for the run."""
        if published.engine != NAME:
            raise EngineError(
                f"version {published.version} was published for {published.engine}, not for {NAME}: "
                "run python -m pipeline publish"
            )
        hide_process()  # before there is a step: the settings can be in this process's environment
        log, lease_id = Machine(self.folder).log(record.run), str(uuid.uuid4())
        try:
            with log.open("ab") as log_file:
                worker = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "pipeline.engines.local.worker", record.run),
                        *("--lease", lease_id, "--folder", str(self.folder), "--code", str(self.code)),
                    ],
                    cwd=ROOT,
                    env=worker_environment(os.environ),
                    stdin=subprocess.PIPE,
                    stdout=log_file,
                    stderr=log_file,
                    start_new_session=True,
                )
        except OSError as error:
            raise EngineError(f"cannot start a worker for run {record.run}: {error.strerror}") from error
        with suppress(BrokenPipeError):  # it has ended already: its log says why
            _write(worker, handed_over(os.environ, self.settings))
        # It outlives this process; if this process lives longer, it must reap the worker.
        threading.Thread(target=self._watch, args=(worker, record, published, lease_id), daemon=True).start()

    def status(self, record: RunRecord) -> RunStatus:
        """The state in the record of the run, and whether it has no worker."""
        if record.state not in _WITH_WORKER:
            return record.status
        marker = self.runs.markers.find(record.run)
        if marker is None:
            return self.runs.load(record.run).status  # it has finished in the meantime
        started = record.submitted or record.created
        may_be_starting = record.state is RunState.SUBMITTED and self.runs.clock() - started < START
        return replace(record.status, lost=not (marker.held or may_be_starting))

    def steps(self, run: str) -> list[StepStatus]:
        """The states of its steps, as of a few seconds ago."""
        return list(step_states.read(self.store.runs, run).steps)

    def logs(self, run: str, known: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """Logs of finished steps: short ones from the document of step states, others from blobs."""
        found = step_states.read(self.store.runs, run)
        for step in found.steps:
            if step.name in known or not step.tries or not step.state.final:
                continue
            if step.name in found.logs:
                yield step.name, found.logs[step.name]
            else:
                with suppress(NotFound):  # it wrote nothing
                    log = self.store.runs.read(f"{run}/logs/{step.name}.log").data
                    yield step.name, log.decode(errors="replace")

    def cancel(self, record: RunRecord) -> None:
        """Its worker finds the request; a run without a worker is canceled at once."""
        if record.state is RunState.SUBMITTED:
            if self.runs.cancel_unstarted(record):
                return
            record = self.runs.load(record.run)
        if self.status(record).lost:
            with suppress(IllegalTransition):  # it has finished in the meantime
                self.runs.advance(record, RunState.CANCELED)

    def _watch(
        self,
        worker: "subprocess.Popen[bytes]",
        record: RunRecord,
        published: PublishedPipeline,
        lease_id: str,
    ) -> None:
        """Wait until a worker ends. If it was killed, end its lease, and replace the first one of a run.

        What kills a second one too, such as too little memory, needs time to pass: until the next sweep.
        """
        if worker.wait() >= 0:
            return
        try:
            self.runs.markers.release(record.run, lease_id)
            if not record.restarts:
                self._replace(record, published)
        except PipelineError as error:
            what = "run %s: its worker was killed, and the next sweep replaces it: %s"
            logger.warning(what, record.run, error, extra={"run": record.run})

    def _replace(self, record: RunRecord, published: PublishedPipeline) -> None:
        """Start another worker for a run, unless another process has done that or canceled it."""
        marker, current = self.runs.markers.find(record.run), self.runs.load(record.run)
        is_ours = current.restarts == record.restarts and current.state in _WITH_WORKER
        if marker is None or marker.held or not is_ours or self.runs.cancel_requested(record.run):
            return
        if restarted := self.runs.restart(current):
            logger.warning(
                "run %s: its worker was killed and is replaced", record.run, extra={"run": record.run}
            )
            self.submit(restarted, published)


def worker_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that a worker is started with. It gets the rest when it runs: see `handed_over`."""
    path = os.pathsep.join([str(ROOT), *filter(None, [environ.get("PYTHONPATH")])])
    return without_secrets(environ) | {"PYTHONPATH": path}


def handed_over(environ: Mapping[str, str], settings: Settings) -> bytes:
    """What a worker reads from its standard input: the other variables, with these settings, as JSON.

    A pipe has one reader; steps could read the environment that their worker was started with.
    """
    started_with = worker_environment(environ)
    rest = {
        name: text
        for name, text in environ.items()
        if name not in started_with and not name.startswith(("SCORING_", "ScoringStorage"))
    }
    return json.dumps(rest | settings_environment(settings)).encode()


def settings_environment(settings: Settings) -> dict[str, str]:
    """The environment variables of the settings that a worker needs."""
    connection, containers = settings.connection, settings.containers
    values = {
        "ScoringStorage": connection.connection_string,
        "ScoringStorage__blobServiceUri": connection.blob_service_uri,
        "ScoringStorage__credential": "managedidentity" if connection.managed_identity else None,
        "ScoringStorage__clientId": connection.client_id,
        "SCORING_ENGINE": NAME,
        "SCORING_DATA_CONTAINER": containers.data,
        "SCORING_MODELS_CONTAINER": containers.models,
        "SCORING_PREDS_CONTAINER": containers.preds,
        "SCORING_RUNS_CONTAINER": containers.runs,
        "SCORING_LOCAL_PROCESSES": str(settings.local_processes),
        "SCORING_STEP_TRIES": str(settings.step_tries),
        "SCORING_EPISODE_LEAST": str(settings.episode_least),
        "SCORING_SILENT_AFTER": str(int(settings.silent_after.total_seconds())),
    }
    return {name: text for name, text in values.items() if text is not None}


def _write(worker: "subprocess.Popen[bytes]", text: bytes) -> None:
    if worker.stdin:
        with worker.stdin:
            worker.stdin.write(text)
