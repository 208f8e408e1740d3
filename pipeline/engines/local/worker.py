"""The worker of the local engine: one process that executes one run.

    python -m pipeline.engines.local.worker RUN

It holds the lease on the marker of the run while it is alive, so that there is only one worker, and its death
is detected. A new worker for the same run repeats everything, with the same names and bytes, unless a worker
has stated the result of the run already (`pipeline.runs.result`).
"""

import argparse
import atexit
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.clock import utc_now
from pipeline.engines.local import inputs
from pipeline.engines.local.execution import Execution, Workplace
from pipeline.engines.local.graph import Pipeline
from pipeline.engines.local.lease import Stop, StopReason, renewed, reported
from pipeline.engines.local.machine import Machine
from pipeline.engines.local.step_states import StepStates
from pipeline.engines.summary import read_status
from pipeline.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    IllegalTransition,
    LeaseHeld,
    NotFound,
    PipelineError,
    StorageError,
)
from pipeline.log_lines import keep_one_line
from pipeline.pages.index import update_index
from pipeline.published.build import COLLECT, SCORE_FILE, check
from pipeline.published.publish import load_documents
from pipeline.runs import result
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.step_environment import step_environment
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Lease
from scoring.formats import SUCCESS, SUMMARY_JSON

REPORT_SECONDS = 1.0
"""Seconds between two reports of step states and checks for cancellation."""

LONGEST_LOG = 1 << 20
"""Bytes that are kept of the end of a log."""

logger = logging.getLogger("pipeline.worker")


class Worker:
    """Executes one run."""

    def __init__(self, settings: Settings, store: Store, machine: Machine, run: str, code: Path) -> None:
        self.settings = settings
        self.store = store
        self.runs = Runs(store, utc_now)
        self.machine = machine
        self.run = run
        self.code = code
        self.stop = Stop()

    def work(self) -> int:
        """Execute the run, unless another worker has it; returns an exit code."""
        try:
            lease = self.runs.hold(self.run)
        except (LeaseHeld, NotFound) as error:
            logger.info("nothing to do: another worker has run %s, or it has finished (%s)", self.run, error)
            return EXIT_DONE
        try:
            with renewed(lease, self.stop) as renew_lease:
                status = self._status(renew_lease)
            if status is not None:
                self._record_end(status, lease)
                update_index(self.store, self.settings.late_sweep)
        finally:
            if self.stop.why is not StopReason.LOST:
                self._keep_log(self.machine.log(self.run), "worker.log")
                with suppress(StorageError):
                    lease.release()  # if the run has not finished, the sweep can restart it at once
        return EXIT_FAILED if status is None else EXIT_DONE

    def _record_end(self, status: RunStatus, lease: Lease) -> None:
        record = self.runs.load(self.run)
        if record.state.final:  # canceled in the meantime, or finished before this worker started
            self.runs.settle(record, lease)
            return
        self.runs.advance_to(record, status, lease=lease)

    def _status(self, renew_lease: Callable[[], None]) -> RunStatus | None:
        """Execute the run; None if another worker has it, or is to get it."""
        record = self.runs.load(self.run)
        if record.state.final:
            return RunStatus(state=record.state)
        if self.runs.cancel_requested(self.run):
            return RunStatus(state=RunState.CANCELED)
        if record.state is not RunState.RUNNING:
            with suppress(IllegalTransition):
                self.runs.advance(record, RunState.RUNNING)
        try:
            status = self._finished() or self._execute(record, renew_lease)
        except StorageError as error:
            status = RunStatus(state=RunState.FAILED, error=str(error), retry=True)
        except PipelineError as error:
            status = RunStatus(state=RunState.FAILED, error=str(error))
        except OSError as error:
            status = RunStatus(state=RunState.FAILED, error=f"error on this machine: {error}", retry=True)
        if self.stop.why is StopReason.CANCELED:
            return RunStatus(state=RunState.CANCELED)
        return None if self.stop.why else status

    def _finished(self) -> RunStatus | None:
        """The result of an earlier worker, if it stored the predictions and did not update the record.

        Landings can have been replaced since, so a second execution could score fewer of them.
        """
        status = result.find(self.store.runs, self.run)
        if status is not None:
            self._mark()  # it can have died before that
        return status

    def _execute(self, record: RunRecord, renew_lease: Callable[[], None]) -> RunStatus | None:
        pipeline_yml, score_yml = load_documents(self.store, record.published)
        check(pipeline_yml, score_yml)
        pipeline = Pipeline.read(pipeline_yml, {SCORE_FILE: score_yml})
        states = StepStates((node.name for node in pipeline.nodes), self.store.runs, self.run, utc_now)
        canceled = self.runs.cancel_requested
        with self.machine.work_folder(self.run) as folder:
            with reported(states.write, lambda: canceled(self.run), self.stop, REPORT_SECONDS):
                place = self._workplace(folder, len(pipeline.nodes) - 1)
                execution = Execution(
                    pipeline=pipeline,
                    place=place,
                    machine=self.machine,
                    states=states,
                    stop=self.stop.event,
                    keep_log=self._keep_log,
                )
                execution.run()
            if self.stop.why:
                states.cancel()
            if self.stop.why is not StopReason.LOST:
                states.write()
            renew_lease()  # a suspended worker can have lost it, and another stored everything
            return None if self.stop.why else self._conclude(execution, place.out)

    def _workplace(self, folder: Path, steps: int) -> Workplace:
        """Download the inputs of the run, and create the folders for its output; `steps` of them score."""
        at_once = max(1, min(steps, self.settings.local_processes))
        share = max(1, (os.process_cpu_count() or 1) // at_once)
        fetched = inputs.fetch(self.store, self.runs.manifest(self.run), self.machine.models, folder)
        for name in ("preds", "logs", "tmp"):
            (folder / name).mkdir()
        return Workplace(
            run=self.run,
            given={**fetched.paths(), "run": self.run},
            keys=fetched.keys,
            preds=folder / "preds",
            logs=folder / "logs",
            code=self.code,
            environment=step_environment(os.environ, self.code, folder / "tmp", share),
            python=sys.executable,
            processes=self.settings.local_processes,
            tries=self.settings.step_tries,
        )

    def _conclude(self, execution: Execution, out: Path) -> RunStatus:
        """Read the summary, and store the results; the next try of lost steps has its own folder.

        `_SUCCESS` says that `collect` finished: in pipelines of earlier releases, its exit code also says
        whether the run succeeded.
        """
        failed = execution.failed.get(COLLECT)
        if failed and not (out / SUCCESS).exists():
            return RunStatus(state=RunState.FAILED, error=f"{COLLECT}: {failed.error}", retry=failed.retry)
        try:
            summary = (out / SUMMARY_JSON).read_bytes()
        except FileNotFoundError:
            return RunStatus(state=RunState.FAILED, error=f"{COLLECT} wrote no {SUMMARY_JSON}: see its log")
        status = read_status(summary, SUMMARY_JSON, [node.name for node in execution.pipeline.nodes])
        self._store(out)
        if not self.stop.why:
            result.write(self.store.runs, self.run, status)
            self._mark()
        return status

    def _store(self, out: Path) -> None:
        """Upload the results; delete what else is in the folder, first of all a `_SUCCESS`.

        No worker has stated a result, so it is from one that died, or from someone else.
        """
        preds, folder = self.store.preds, f"{self.run}/"
        preds.delete(folder + SUCCESS)
        files = [file for file in out.iterdir() if file.is_file() and not file.name.startswith(("_", "."))]
        names = {folder + file.name for file in files}
        old = [blob.name for blob in preds.list(folder) if blob.name not in names]
        in_parallel(preds.delete, old)
        in_parallel(lambda file: preds.upload(folder + file.name, file), sorted(files))

    def _mark(self) -> None:
        self.store.preds.put(f"{self.run}/{SUCCESS}", b"")

    def _keep_log(self, log: Path, name: str | None = None) -> None:
        """Store a log with the run, and remove it here; an error is logged and does not fail the run."""
        try:
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - LONGEST_LOG))
                self.store.runs.put(f"{self.run}/logs/{name or log.name}", file.read())
            log.unlink()
        except FileNotFoundError:
            pass
        except (PipelineError, OSError) as error:
            logger.warning("log %s is not stored: %s", log.name, error)


def main(argv: Sequence[str]) -> int:
    """Execute one run; returns 0 also if another worker executes it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.engines.local.worker", description=main.__doc__)
    parser.add_argument("run")
    parser.add_argument("--folder", type=Path, required=True, help="folder of all workers of this machine")
    parser.add_argument("--code", type=Path, required=True, help="where steps find their code")
    args = parser.parse_args(argv)
    keep_one_line()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    try:
        with _connected() as (settings, store):
            worker = Worker(settings, store, Machine(args.folder), args.run, args.code)
            signal.signal(signal.SIGTERM, lambda *_: worker.stop(StopReason.TERMINATED))
            return worker.work()
    except PipelineError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says what went wrong, without a traceback
        return EXIT_FAILED


@contextmanager
def _connected() -> Iterator[tuple[Settings, Store]]:
    settings = Settings.from_environment(os.environ)
    store = Store.connect(settings)
    try:
        yield settings, store
    finally:
        store.close()


if __name__ == "__main__":
    gc.set_threshold(100_000)  # as for commands, see pipeline/__main__.py
    atexit.register(gc.freeze)
    sys.exit(main(sys.argv[1:]))
