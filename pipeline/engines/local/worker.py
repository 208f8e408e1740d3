"""The worker of the local engine: one process that sees one run through.

    python -m pipeline.engines.local.worker RUN

It holds the lease on the run's marker while it lives, so that there is only one and that its death is
noticed. One that is started again for the same run does everything again, with the same names and the same
bytes, unless the predictions are finished already.
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
from dataclasses import replace
from pathlib import Path

from pipeline.clock import utc_now
from pipeline.engines.local import inputs
from pipeline.engines.local.execution import Execution, Workplace
from pipeline.engines.local.graph import Pipeline
from pipeline.engines.local.lease import Stop, Why, held, told
from pipeline.engines.local.machine import Machine
from pipeline.engines.local.step_states import Board
from pipeline.engines.summary import read_summary
from pipeline.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    IllegalTransition,
    LeaseHeld,
    NotFound,
    PipelineError,
    StorageError,
)
from pipeline.pages.index import renew
from pipeline.published.build import COLLECT, SCORE_FILE
from pipeline.published.publish import load_documents
from pipeline.runs.record import RunRecord, RunState, RunStatus
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.step_environment import step_environment
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Lease
from scoring.formats import SUCCESS, SUMMARY_JSON

TELL_SECONDS = 1.0
"""How often the steps are told of, and a cancellation is looked for."""

LONGEST_LOG = 1 << 20
"""Bytes of a log that are kept, from its end."""

logger = logging.getLogger("pipeline.worker")


class Worker:
    """Sees one run through."""

    def __init__(self, settings: Settings, store: Store, machine: Machine, run: str, code: Path) -> None:
        self.settings = settings
        self.store = store
        self.runs = Runs(store, utc_now)
        self.machine = machine
        self.run = run
        self.code = code
        self.stop = Stop()

    def work(self) -> int:
        """Take the run, if nobody else has it, and bring it to its end; returns an exit code."""
        try:
            lease = self.runs.hold(self.run)
        except (LeaseHeld, NotFound) as error:
            logger.info("nothing to do: another worker has run %s, or it is over (%s)", self.run, error)
            return EXIT_DONE
        try:
            with held(lease, self.stop) as renew_lease:
                status = self._status(renew_lease)
            if status is not None:
                self._record_end(status, lease)
                renew(self.store, self.settings.late_sweep)
        finally:
            if self.stop.why is not Why.LOST:
                self._keep_log(self.machine.log(self.run), "worker.log")
                with suppress(StorageError):
                    lease.release()  # where the run is not over, the sweep need not wait until it runs out
        return EXIT_FAILED if status is None else EXIT_DONE

    def _record_end(self, status: RunStatus, lease: Lease) -> None:
        record = self.runs.load(self.run)
        if record.state.final:  # canceled while it could not be seen, or over before this worker began
            self.runs.settle(record, lease)
            return
        self.runs.advance_to(record, status, lease=lease)

    def _status(self, renew_lease: Callable[[], None]) -> RunStatus | None:
        """Execute the run; None where another worker has it, or shall have it."""
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
            status = RunStatus(state=RunState.FAILED, error=f"this machine says: {error}", retry=True)
        if self.stop.why is Why.CANCELED:
            return RunStatus(state=RunState.CANCELED)
        return None if self.stop.why else status

    def _finished(self) -> RunStatus | None:
        """What a worker before this one came to, if it had only not said so yet.

        Its landings may have been replaced since: doing everything again could make less of it.
        """
        if not self.store.preds.exists(f"{self.run}/{SUCCESS}"):
            return None
        path = f"{self.run}/{SUMMARY_JSON}"
        return read_summary(self.store.preds.read(path).data, f"{self.store.preds.name}/{path}")

    def _execute(self, record: RunRecord, renew_lease: Callable[[], None]) -> RunStatus | None:
        pipeline_yml, score_yml = load_documents(self.store, record.published)
        pipeline = Pipeline.read(pipeline_yml, {SCORE_FILE: score_yml})
        board = Board((node.name for node in pipeline.nodes), self.store.runs, self.run, utc_now)
        canceled = self.runs.cancel_requested
        with self.machine.work_folder(self.run) as folder:
            with told(board.write, lambda: canceled(self.run), self.stop, TELL_SECONDS):
                place = self._workplace(folder)
                execution = Execution(
                    pipeline=pipeline,
                    place=place,
                    machine=self.machine,
                    board=board,
                    stop=self.stop.event,
                    keep_log=self._keep_log,
                )
                execution.run()
            if self.stop.why:
                board.cancel()
            if self.stop.why is not Why.LOST:
                board.write()
            renew_lease()  # a worker that was frozen may have lost it, and another may have stored everything
            return None if self.stop.why else self._conclude(execution, place.out)

    def _workplace(self, folder: Path) -> Workplace:
        """Fetch what the run reads, and make room for what it writes."""
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
            environment=step_environment(os.environ, self.code, folder / "tmp"),
            python=sys.executable,
            processes=self.settings.local_processes,
            tries=self.settings.step_tries,
        )

    def _conclude(self, execution: Execution, out: Path) -> RunStatus:
        """Judge what came out, and store it."""
        if failed := execution.failed.get(COLLECT):
            return RunStatus(state=RunState.FAILED, error=f"{COLLECT}: {failed.error}", retry=failed.retry)
        try:
            status = read_summary((out / SUMMARY_JSON).read_bytes(), SUMMARY_JSON)
        except FileNotFoundError:
            return RunStatus(state=RunState.FAILED, error=f"{COLLECT} wrote no {SUMMARY_JSON}: see its log")
        self._store(out, finished=status.state is not RunState.FAILED)
        if status.state is RunState.FAILED:
            retry = any(ended.retry for ended in execution.failed.values())
            return replace(status, retry=retry)
        return status

    def _store(self, out: Path, *, finished: bool) -> None:
        """Upload what the run made, the mark that it is whole last; what an earlier worker left goes.

        But not its mark: there was none when this worker began, so whoever has set it was faster.
        """
        preds, folder = self.store.preds, f"{self.run}/"
        files = [file for file in out.iterdir() if file.is_file() and not file.name.startswith(("_", "."))]
        names = {folder + file.name for file in files} | {folder + SUCCESS}
        old = [blob.name for blob in preds.list(folder) if blob.name not in names]
        in_parallel(preds.delete, old)
        in_parallel(lambda file: preds.upload(folder + file.name, file), sorted(files))
        if finished and not self.stop.why:
            preds.put(folder + SUCCESS, b"")

    def _keep_log(self, log: Path, name: str | None = None) -> None:
        """Store a log with the run, and remove it here; one that cannot be stored is no reason to fail."""
        try:
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - LONGEST_LOG))
                self.store.runs.put(f"{self.run}/logs/{name or log.name}", file.read())
            log.unlink()
        except FileNotFoundError:
            pass
        except (PipelineError, OSError) as error:
            logger.warning("log %s is not kept: %s", log.name, error)


def main(argv: Sequence[str]) -> int:
    """See one run through; returns 0 also where another worker does."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.engines.local.worker", description=main.__doc__)
    parser.add_argument("run")
    parser.add_argument("--folder", type=Path, required=True, help="what workers of this machine share")
    parser.add_argument("--code", type=Path, required=True, help="where steps find their code")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("azure").setLevel(logging.WARNING)
    try:
        with _connected() as (settings, store):
            worker = Worker(settings, store, Machine(args.folder), args.run, args.code)
            signal.signal(signal.SIGTERM, lambda *_: worker.stop(Why.ENDED))
            return worker.work()
    except PipelineError as error:
        logger.error("%s", error)  # noqa: TRY400 - it says what went wrong; a traceback would not
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
