"""States and short logs of the steps of a local run, in `<run>/steps.json` for `status` and `watch`.

Written every other second at most. Most logs have one line: a request for each would be half of the requests
of a small run. The document is stored, so it has a version.
"""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.engine import StepState, StepStatus
from pipeline.errors import NotFound, StorageError
from pipeline.json_documents import read_document, to_json
from pipeline.storage.container import Container

VERSION = 1

LONGEST_LOG = 4096
"""Bytes of a log that is kept in the document."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """The fields of the document that are used."""

    steps: tuple[StepStatus, ...]
    logs: dict[str, str] = field(default_factory=dict)
    """Logs of finished steps by name, as far as they are short."""


def path(run: str) -> str:
    """Path of the step states of `run`."""
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

    def write(self) -> None:
        """Store it, if anything has changed."""
        with self._lock:
            if self._written:
                return
            self._written = True
            stored = to_json(_Steps(tuple(self._steps.values()), dict(self._logs)))
        document = {"version": VERSION, "run": self._run, **stored}
        try:
            self._container.put(path(self._run), json.dumps(document, ensure_ascii=False).encode() + b"\n")
        except StorageError:
            self._written = False  # so that the next call writes it
            raise

    def _change(self, step: StepStatus) -> None:
        self._steps[step.name] = step
        self._written = False


def read(container: Container, run: str) -> list[StepStatus]:
    """The latest stored steps of a run; empty before it has started.

    Raises:
        RunDocumentError: the document cannot be read.
    """
    return read_with_logs(container, run)[0]


def read_with_logs(container: Container, run: str) -> tuple[list[StepStatus], dict[str, str]]:
    """The same, with the short logs of finished steps by name.

    Raises:
        RunDocumentError: the document cannot be read.
    """
    try:
        data = container.read(path(run)).data
    except NotFound:
        return [], {}
    return from_bytes(data, f"{container.name}/{path(run)}")


def from_bytes(data: bytes, where: str) -> tuple[list[StepStatus], dict[str, str]]:
    """The steps and logs in `data`, which was read from `where`.

    Raises:
        RunDocumentError: it is not a list of steps, or has an unknown version.
    """
    found = read_document(data, _Steps, version=VERSION, where=where, what="a list of steps")
    return list(found.steps), found.logs
