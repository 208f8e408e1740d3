"""The steps of a local run in `<run>/steps.json`: their states, their short logs, and at last its result.

Written every other second at most while steps run. Most logs have one line: a request for each would be half
of the requests of a small run.

Someone who can write predictions could write a summary and `_SUCCESS` too. So a run has finished when its
worker states the result here, in a container that only the project writes: when all predictions are stored,
before it writes `_SUCCESS`. A worker that replaces a dead one finds the result, and scores nothing again.

The document is stored, so it has a version. A run has not finished where its document has no result, is
damaged, or is of another version. Earlier releases stated the result in a document of its own: a run of
theirs whose worker died between that and the final record is scored again.
"""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.engine import StepState, StepStatus
from pipeline.errors import NotFound, StorageError
from pipeline.json_documents import read_document, to_json
from pipeline.redact import redacted
from pipeline.runs.record import RunStatus
from pipeline.storage.container import Container

VERSION = 1

LONGEST_LOG = 4096
"""Bytes of a log that is kept in the document."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The fields of the document that are used."""

    steps: tuple[StepStatus, ...]
    logs: dict[str, str] = field(default_factory=dict)
    """Logs of finished steps by name, as far as they are short."""
    result: RunStatus | None = None
    """How the run ended, if its results are stored."""


def path(run: str) -> str:
    """Path of the steps of `run`."""
    return f"{run}/steps.json"


class StepStates:
    """The states of the steps of one run; thread-safe."""

    def __init__(
        self, names: Iterable[str], container: Container, run: str, clock: Callable[[], datetime]
    ) -> None:
        self._container = container
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._steps = {name: StepStatus(name=name, state=StepState.WAITING) for name in names}
        self._logs: dict[str, str] = {}
        self._written = False

    def begins(self, name: str) -> None:
        """A step starts, for the first time or again."""
        with self._lock:
            step = self._steps[name]
            self._change(
                replace(
                    step,
                    state=StepState.RUNNING,
                    started=step.started or self._clock(),
                    tries=step.tries + 1,
                    error=None,
                )
            )

    def ends(self, name: str, state: StepState, error: str | None = None) -> None:
        """A step finishes."""
        with self._lock:
            self._change(replace(self._steps[name], state=state, ended=self._clock(), error=error))

    def keep_log(self, name: str, log: str) -> None:
        """Keep the short log of a step that has finished."""
        with self._lock:
            self._logs[name] = log
            self._written = False

    def cancel(self) -> None:
        """Mark unfinished steps as canceled."""
        with self._lock:
            for step in self._steps.values():
                if not step.state.final:
                    self._change(replace(step, state=StepState.CANCELED, ended=self._clock()))

    def write(self, result: RunStatus | None = None) -> None:
        """Store it, if anything has changed, or with the `result` of the run."""
        with self._lock:
            if self._written and result is None:
                return
            self._written = True
            if result and result.error:  # often a message of other software
                result = replace(result, error=redacted(result.error))
            stored = to_json(Steps(tuple(self._steps.values()), dict(self._logs), result))
        document = {"version": VERSION, "run": self._run, **stored}
        try:
            self._container.put(path(self._run), json.dumps(document, ensure_ascii=False).encode() + b"\n")
        except StorageError:
            self._written = False  # so that the next call writes it
            raise

    def _change(self, step: StepStatus) -> None:
        self._steps[step.name] = step
        self._written = False


def read(container: Container, run: str) -> Steps:
    """The latest stored steps of a run; empty before it has started.

    Raises:
        RunDocumentError: the document cannot be read.
    """
    try:
        data = container.read(path(run)).data
    except NotFound:
        return Steps(())
    return from_bytes(data, f"{container.name}/{path(run)}")


def from_bytes(data: bytes, where: str) -> Steps:
    """The steps in `data`, which was read from `where`.

    Raises:
        RunDocumentError: it is not a list of steps, or has an unknown version.
    """
    return read_document(data, Steps, version=VERSION, where=where, what="a list of steps")
