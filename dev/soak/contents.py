"""The final contents of the containers, as the checker reads them: landings, claims and runs.

Names, keys and formats are implemented here independently, from their documentation.
"""

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dev.soak.readings import Kind, Row, parse, parse_name

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, BlobServiceClient, ContainerClient

_PARALLEL = 8


@dataclass(frozen=True, slots=True)
class Blob:
    """A landing that still exists."""

    name: str
    key: str
    arrived: datetime
    kind: Kind
    number: int
    rows: Sequence[Row]
    bad: Sequence[int]


@dataclass(frozen=True, slots=True)
class Run:
    """The stored state of one run."""

    name: str
    record: Mapping[str, Any]
    manifest: Mapping[str, str]
    """Blob names by claim key."""
    is_rest: bool
    """Whether its manifest lists sensors: it is a try for those whose steps an earlier try lost."""
    finished: datetime | None
    """When its `_SUCCESS` was written."""
    summary: Mapping[str, Any] | None
    rejects: Sequence[tuple[str, int]]
    """Blob name and line of each rejected row of a finished run."""
    predictions: Sequence[tuple[Row, int, float]]
    """Readings of a finished run, with label and score."""

    @property
    def earlier(self) -> str | None:
        """The try before this one."""
        cause = self.record["cause"]
        return str(cause["detail"]) if cause["kind"] == "retry" else None

    @property
    def awaits_retry(self) -> bool:
        """Whether its record says that another try follows."""
        return bool(self.record.get("retry")) and self.record["state"] in {"failed", "partly"}

    @property
    def scored(self) -> frozenset[tuple[str, str]]:
        """The sensors that the summary says it scored."""
        sensors = self.summary["sensors"] if self.summary else ()
        return frozenset((one["device"], one["sensor"]) for one in sensors if one["status"] == "scored")

    @property
    def statuses(self) -> dict[str, str]:
        """Status of each landing in the summary."""
        landings = self.summary["landings"] if self.summary else ()
        return {str(landing["name"]): str(landing["status"]) for landing in landings}


def read_blobs(data: "ContainerClient") -> tuple[list[Blob], dict[str, str]]:
    """The landings that exist, and the names of skipped blobs by key."""
    listed = list(data.list_blobs())
    skipped = {
        _key(data, blob.name, blob.etag): blob.name for blob in listed if blob.size == 0 or _hidden(blob.name)
    }
    landings = [blob for blob in listed if blob.size and not _hidden(blob.name)]

    def read(blob: "BlobProperties") -> Blob:
        kind, number = parse_name(blob.name)
        rows, bad = parse(_content(data, blob.name)) if kind.readable else ([], [])
        key = _key(data, blob.name, blob.etag)
        return Blob(blob.name, key, blob.last_modified, kind, number, rows, bad)

    return _in_parallel(read, landings), skipped


def _hidden(name: str) -> bool:
    return any(part.startswith(("_", ".")) for part in name.split("/"))


def _key(data: "ContainerClient", name: str, etag: str) -> str:
    text = "\0".join((str(data.account_name), data.container_name, name, etag.strip('"')))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_claims(state: "ContainerClient", names: Sequence[str]) -> dict[str, str]:
    """The run that each claim names, by key."""
    claims = [name for name in names if name.startswith("landings/")]
    holders = _in_parallel(lambda name: _content(state, name).decode().strip(), claims)
    return {name.removeprefix("landings/"): run for name, run in zip(claims, holders, strict=True)}


def read_runs(service: "BlobServiceClient", names: Sequence[str]) -> dict[str, Run]:
    """All runs with a record, by name; `names` lists all blobs in the runs container."""
    state, preds, data = (service.get_container_client(name) for name in ("runs", "preds", "data"))
    stored = set(names)
    written = {blob.name: blob.last_modified for blob in preds.list_blobs()}
    files: defaultdict[str, list[str]] = defaultdict(list)
    for name in written:
        files[name.partition("/")[0]].append(name)

    def read(name: str) -> Run:
        manifest, is_rest = {}, False
        if f"{name}/manifest.json" in stored:
            document = json.loads(_content(state, f"{name}/manifest.json"))
            manifest = {_key(data, one["name"], one["etag"]): one["name"] for one in document["landings"]}
            is_rest = "sensors" in document
        finished = written.get(f"{name}/_SUCCESS")
        summary, rejects = f"{name}/summary.json", f"{name}/rejects.csv"
        return Run(
            name=name,
            record=json.loads(_content(state, f"{name}/record.json")),
            manifest=manifest,
            is_rest=is_rest,
            finished=finished,
            summary=json.loads(_content(preds, summary)) if summary in written else None,
            rejects=_rejects(preds, rejects) if finished and rejects in written else (),
            predictions=list(_predictions(preds, files[name])) if finished else (),
        )

    suffix = "/record.json"
    runs = _in_parallel(read, [name.removesuffix(suffix) for name in names if name.endswith(suffix)])
    return {run.name: run for run in runs}


def _rejects(preds: "ContainerClient", name: str) -> list[tuple[str, int]]:
    return [(str(row["file"]), int(row["line"])) for row in _table(preds, name)]


def _predictions(preds: "ContainerClient", names: Sequence[str]) -> Iterator[tuple[Row, int, float]]:
    for name in names:
        if name.partition("/")[2].startswith("preds_"):
            for row in _table(preds, name):
                reading = Row(row["Device"], row["Sensor"], row["TS"], row["Val"])
                yield reading, int(row["Prediction"]), float(row["Score"])


def _table(container: "ContainerClient", name: str) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(_content(container, name).decode(), newline=""))


def _content(container: "ContainerClient", name: str) -> bytes:
    found: bytes = container.download_blob(name).readall()
    return found


def _in_parallel[T, R](function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    with ThreadPoolExecutor(_PARALLEL) as threads:
        return list(threads.map(function, items))
