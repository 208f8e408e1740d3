"""The result of a run as the worker of the local engine states it: `<run>/result.json` in the runs container.

Someone who can write predictions could write a summary and `_SUCCESS` too. So a run has finished when its
worker states it, in a container that only the project writes: when all predictions are stored, before it
writes `_SUCCESS`. A worker that replaces a dead one finds the result, and scores nothing again.

The document is stored, so its format has a version. To change it: raise `VERSION`, let `read` read the old
version too, and keep a sample of it in `tests/pipeline/samples`.
"""

import json
from dataclasses import replace

from pipeline.errors import NotFound
from pipeline.json_documents import read_document, to_json
from pipeline.redact import redacted
from pipeline.runs.record import RunStatus
from pipeline.storage.container import Container

VERSION = 1


def path(run: str) -> str:
    """Path of the result of `run`."""
    return f"{run}/result.json"


def write(runs: Container, run: str, status: RunStatus) -> None:
    """State how a run ended; its error is often a message of other software."""
    status = replace(status, error=status.error and redacted(status.error))
    document = {"version": VERSION, "run": run, **to_json(status)}
    runs.put(path(run), json.dumps(document, ensure_ascii=False).encode() + b"\n")


def find(runs: Container, run: str) -> RunStatus | None:
    """How a run ended; None if no worker has stated it.

    Raises:
        RunDocumentError: the document cannot be read.
    """
    try:
        data = runs.read(path(run)).data
    except NotFound:
        return None
    return from_bytes(data, f"{runs.name}/{path(run)}")


def from_bytes(data: bytes, where: str) -> RunStatus:
    """The result in `data`, which was read from `where`.

    Raises:
        RunDocumentError: it is not a result, or has an unknown version.
    """
    return read_document(data, RunStatus, version=VERSION, where=where, what="the result of a run")
