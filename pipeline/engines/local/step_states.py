"""States of the steps of a local run, in `<run>/steps.json` for `status` and `watch`.

Written at most once a second. The document is stored, so it has a version.
"""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.engine import StepState, StepStatus
from pipeline.errors import NotFound, StorageError
from pipeline.json_documents import read_document, to_json
from pipeline.storage.container import Container

VERSION = 1


@dataclass(frozen=True, slots=True)
class _Steps:
    """The fields of the document that are used."""

    steps: tuple[StepStatus, ...]


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
            steps = to_json(tuple(self._steps.values()))
        document = {"version": VERSION, "run": self._run, "steps": steps}
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
    try:
        data = container.read(path(run)).data
    except NotFound:
        return []
    return from_bytes(data, f"{container.name}/{path(run)}")


def from_bytes(data: bytes, where: str) -> list[StepStatus]:
    """The steps in `data`, which was read from `where`.

    Raises:
        RunDocumentError: it is not a list of steps, or has an unknown version.
    """
    steps = read_document(data, _Steps, version=VERSION, where=where, what="a list of steps").steps
    return list(steps)
