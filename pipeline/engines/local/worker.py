"""The worker of the local engine: one process that executes one run.

    python -m pipeline.engines.local.worker RUN

Its settings, and the environment variables that no step may read, come as JSON on its standard input.

It holds the lease on the marker of the run while it is alive, so that there is only one worker, and its death
is detected. A new worker for the same run repeats everything, with the same names and bytes, unless a worker
has stated the result of the run already (`pipeline.engines.local.step_states`).
"""

import argparse
import atexit
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.clock import utc_now
from pipeline.conclude import Conclusions
from pipeline.engines.local import inputs, step_states
from pipeline.engines.local.execution import Execution, Workplace
from pipeline.engines.local.graph import Pipeline
from pipeline.engines.local.lease import Stop, StopReason, renewed, reported
from pipeline.engines.local.machine import Machine
from pipeline.engines.local.processes import Processes
from pipeline.engines.local.step_states import StepStates
from pipeline.engines.local.warmed import Warmed
from pipeline.engines.summary import read_status
from pipeline.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    FleetStateError,
    IllegalTransition,
    LeaseHeld,
    NotFound,
    PipelineError,
    RunDocumentError,
    StorageError,
)
from pipeline.log_lines import keep_one_line
from pipeline.published.build import COLLECT, SCORE_FILE, check
from pipeline.redact import redacted
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.step_environment import hide_process, step_environment
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Lease
from scoring.formats import DAYS_CSV, EPISODES_CSV, SUCCESS, SUMMARY_JSON

REPORT_SECONDS = 2.0
"""Seconds between two reports of step states and checks for cancellation."""

LONGEST_LOG = 1 << 20
"""Bytes that are kept of the end of a log."""

logger = logging.getLogger("pipeline.worker")


class Worker:
    """Executes one run."""

    def __init__(
        self, settings: Settings, store: Store, machine: Machine, run: str, *, lease_id: str, code: Path
    ) -> None:
        self.settings = settings
        self.store = store
        self.conclusions = Conclusions(settings, store, utc_now)
        self.runs = Runs(store, utc_now, self.conclusions.add_to_fleet)
        self.machine = machine
        self.run = run
        self.lease_id = lease_id
        self.code = code
        self.stop = Stop()

    def work(self) -> int:
        """Execute the run, unless another worker has it; returns an exit code."""
        try:
            lease = self.runs.markers.hold(self.run, self.lease_id)
        except (LeaseHeld, NotFound) as error:
            logger.info("nothing to do: another worker has run %s, or it has finished (%s)", self.run, error)
            return EXIT_DONE
        settled = False
        try:
            with renewed(lease, self.stop) as renew_lease:
                record = self.runs.load(self.run)
                record, status = self._status(record, renew_lease)
            if status is not None:
                self._record_end(record, status, lease)
                settled = True  # the lease has ended with the marker, or was released
                self.conclusions.announce()
        finally:
            if self.stop.why is not StopReason.LOST:
                self._keep_log(self.machine.log(self.run))
                if not settled:
                    with suppress(StorageError):
                        lease.release()  # the sweep can restart the run at once
        return EXIT_FAILED if status is None else EXIT_DONE

    def _record_end(self, record: RunRecord, status: RunStatus, lease: Lease) -> None:
        if not record.state.final:
            try:
                self.runs.advance_to(record, status, lease=lease)
                return
            except IllegalTransition:  # canceled in the meantime
                record = self.runs.load(self.run)
            except FleetStateError as error:
                logger.warning(
                    "run %s has finished; the next sweep adds it to the fleet state: %s", self.run, error
                )
                return
        self.runs.settle(record, lease)

    def _status(
        self, record: RunRecord, renew_lease: Callable[[], None]
    ) -> tuple[RunRecord, RunStatus | None]:
        """Execute the run; no status if another worker has it, or is to get it."""
        if record.state.final:
            return record, RunStatus(state=record.state)
        is_first = record.state is not RunState.RUNNING and not record.restarts
        if not is_first and self.runs.cancel_requested(self.run):
            return record, RunStatus(state=RunState.CANCELED)
        if record.state is not RunState.RUNNING:
            try:
                record = self.runs.advance(record, RunState.RUNNING)
            except IllegalTransition:  # canceled in the meantime, or another worker is faster than this one
                record = self.runs.load(self.run)
                return record, RunStatus(state=record.state) if record.state.final else None
        try:
            status = (None if is_first else self._finished()) or self._execute(record, renew_lease)
        except StorageError as error:
            status = RunStatus(state=RunState.FAILED, error=str(error), retry=True)
        except PipelineError as error:
            status = RunStatus(state=RunState.FAILED, error=str(error))
        except OSError as error:
            status = RunStatus(state=RunState.FAILED, error=f"error on this machine: {error}", retry=True)
        if self.stop.why is StopReason.CANCELED:
            return record, RunStatus(state=RunState.CANCELED)
        return record, None if self.stop.why else status

    def _finished(self) -> RunStatus | None:
        """The result of an earlier worker, if it stored the predictions and did not update the record.

        Landings can have been replaced since, so a second execution could score fewer of them. Without a
        result that can be read, what the earlier worker has stored is deleted, and the run is scored again.
        """
        try:
            status = step_states.read(self.store.runs, self.run).result
        except RunDocumentError as error:
            logger.warning("run %s is scored again: %s", self.run, error)
            status = None
        if status is None:
            self._clear()
        else:
            self._mark()  # it can have died before that
        return status

    def _execute(self, record: RunRecord, renew_lease: Callable[[], None]) -> RunStatus | None:
        canceled = self.runs.cancel_requested
        with self.machine.work_folder(self.run) as folder:
            pipeline = self._pipeline(record.published, folder)
            states = StepStates((node.name for node in pipeline.nodes), self.store.runs, self.run, utc_now)
            environment = self._step_environment(folder, len(pipeline.nodes) - 1)
            warmed = Warmed.where_possible(sys.executable, self.code, environment)
            with (
                Processes(warmed) as processes,
                reported(states.write, lambda: canceled(self.run), self.stop, REPORT_SECONDS),
            ):
                place = self._workplace(folder, environment)
                execution = Execution(
                    pipeline=pipeline,
                    place=place,
                    processes=processes,
                    machine=self.machine,
                    states=states,
                    stop=self.stop.event,
                    keep_log=lambda log: self._keep_log(log, states),
                )
                execution.run()
            if self.stop.why:
                states.cancel()
            try:
                renew_lease()  # a suspended worker can have lost it, and another stored everything
                return None if self.stop.why else self._conclude(execution, place.out, states)
            finally:
                if self.stop.why is not StopReason.LOST:
                    states.write()  # where there is no result that was written with them

    def _pipeline(self, version: str, folder: Path) -> Pipeline:
        """The published pipeline, if its documents are those that this project would publish."""
        documents = inputs.fetch_documents(self.store, version, self.machine.published, folder)
        check(*documents)
        pipeline_yml, score_yml = documents
        return Pipeline.read(pipeline_yml, {SCORE_FILE: score_yml})

    def _step_environment(self, folder: Path, steps: int) -> dict[str, str]:
        """The environment of all steps, of which `steps` score."""
        (folder / "tmp").mkdir()
        at_once = max(1, min(steps, self.settings.local_processes))
        share = max(1, (os.process_cpu_count() or 1) // at_once)
        return step_environment(os.environ, self.code, folder / "tmp", share)

    def _workplace(self, folder: Path, environment: Mapping[str, str]) -> Workplace:
        """Download the inputs of the run, and create the folders for its output."""
        manifest = self.runs.manifest(self.run)
        fetched = inputs.fetch(self.store, manifest, self.machine.models, folder, self.code)
        for name in ("preds", "logs"):
            (folder / name).mkdir()
        return Workplace(
            run=self.run,
            given={**fetched.paths(), "run": self.run},
            keys=fetched.keys,
            preds=folder / "preds",
            logs=folder / "logs",
            code=self.code,
            environment=environment,
            python=sys.executable,
            processes=self.settings.local_processes,
            tries=self.settings.step_tries,
        )

    def _conclude(self, execution: Execution, out: Path, states: StepStates) -> RunStatus:
        """Read the summary, and store the results; the next try of lost steps has its own folder."""
        if failed := execution.failed.get(COLLECT):
            return RunStatus(state=RunState.FAILED, error=f"{COLLECT}: {failed.error}", retry=failed.retry)
        try:
            summary = (out / SUMMARY_JSON).read_bytes()
        except FileNotFoundError:
            return RunStatus(state=RunState.FAILED, error=f"{COLLECT} wrote no {SUMMARY_JSON}: see its log")
        status = read_status(summary, SUMMARY_JSON, [node.name for node in execution.pipeline.nodes])
        self._store(out)
        kept = [file for name in (SUMMARY_JSON, EPISODES_CSV, DAYS_CSV) if (file := out / name).is_file()]
        self.conclusions.keep_results({file.name: file.read_bytes() for file in kept})
        if not self.stop.why:
            states.write(status)
            self._mark()
        return status

    def _clear(self) -> None:
        """Delete what a worker that died has stored, first of all a `_SUCCESS`."""
        preds, mark = self.store.preds, f"{self.run}/{SUCCESS}"
        old = {blob.name for blob in preds.list(f"{self.run}/")}
        if mark in old:
            preds.delete(mark)
        in_parallel(preds.delete, sorted(old - {mark}))

    def _store(self, out: Path) -> None:
        files = [file for file in out.iterdir() if file.is_file() and not file.name.startswith(("_", "."))]
        in_parallel(lambda file: self.store.preds.upload(f"{self.run}/{file.name}", file), sorted(files))

    def _mark(self) -> None:
        self.store.preds.put(f"{self.run}/{SUCCESS}", b"")

    def _keep_log(self, log: Path, states: StepStates | None = None) -> None:
        """Store a log with the run unless it is empty, and remove it here; an error fails no run.

        The short log of a step goes into the document of its `states`; the worker's own has none.
        """
        name = log.name if states else "worker.log"
        try:
            with log.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size - LONGEST_LOG))
                text = redacted(file.read().decode(errors="replace"))
            if states and size <= step_states.LONGEST_LOG:
                states.keep_log(log.stem, text)
            elif size:
                self.store.runs.put(f"{self.run}/logs/{name}", text.encode())
            log.unlink()
        except FileNotFoundError:
            pass
        except (PipelineError, OSError) as error:
            logger.warning("log %s is not stored: %s", log.name, error)


def main(argv: Sequence[str]) -> int:
    """Execute one run; returns 0 also if another worker executes it."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.engines.local.worker", description=main.__doc__)
    parser.add_argument("run")
    parser.add_argument(
        "--lease", required=True, help="id of its lease, known to the process that started it"
    )
    parser.add_argument("--folder", type=Path, required=True, help="folder of all workers of this machine")
    parser.add_argument("--code", type=Path, required=True, help="where steps find their code")
    args = parser.parse_args(argv)
    keep_one_line()
    hide_process()
    os.environ.update(json.load(sys.stdin))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    for name in ("azure", "pipeline.runs.store"):  # the record says which states the run had
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        with _connected() as (settings, store):
            machine = Machine(args.folder)
            worker = Worker(settings, store, machine, args.run, lease_id=args.lease, code=args.code)
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
