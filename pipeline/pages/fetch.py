"""Downloading the results of a run to a folder on this machine."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pipeline.runs.record import RunRecord, RunState
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.listing import BlobInfo

_RESULT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_%.~-]{0,253}[A-Za-z0-9])?")
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")
"""Windows opens a device under these names, also with an extension."""

_CAPITAL = re.compile("(?<!%)(?<!%[0-9A-F])[A-Z]")
"""Not in an escape."""


def results(store: Store, run: str) -> list[BlobInfo]:
    """The blobs that `run` wrote, without the outcomes of its steps."""
    prefix = f"{run}/"
    blobs = [blob for blob in store.preds.list(prefix, metadata=True) if not blob.is_folder]
    names = file_names(blob.name.removeprefix(prefix) for blob in blobs)
    return [blob for blob in blobs if blob.name.removeprefix(prefix) in names]


def download(
    store: Store, blobs: Sequence[BlobInfo], folder: Path, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Download results to `folder`, which is created if there are any; `advance` gets the size of each."""
    if blobs:
        folder.mkdir(parents=True, exist_ok=True)
    files = file_names(_file(blob) for blob in blobs)

    def download_one(blob: BlobInfo) -> None:
        store.preds.download(blob.name, folder / files[_file(blob)])
        advance(blob.size)

    in_parallel(download_one, blobs)


def fetch(store: Store, run: str, folder: Path) -> int:
    """Download the results of `run`; returns the number of files."""
    found = results(store, run)
    download(store, found, folder)
    return len(found)


def shortfall(record: RunRecord, count: int) -> str | None:
    """What is missing of the results of a run that has `count` of them now; None if nothing is."""
    if record.state.final:
        removed = record.state in {RunState.SUCCEEDED, RunState.PARTLY}
        why = "its results have been removed" if removed else "it has no results"
        return None if count else f"run {record.run} is {record.state}: {why}"
    how = "its results are incomplete" if count else "it has no results yet"
    return f"run {record.run} is {record.state}: {how}; python -m pipeline watch {record.run} follows it"


def file_names(names: Iterable[str]) -> dict[str, str]:
    """The name of the file of each of these blobs; without those that are not results of a run.

    Results have names of letters, digits and a few signs. Two that differ in case only would be one file on
    many systems: there, capitals are percent-encoded too, which names the same sensor.
    """
    names = [name for name in names if _RESULT.fullmatch(name) and not _RESERVED.fullmatch(name)]
    alike = Counter(map(str.lower, names))
    return {name: name if alike[name.lower()] == 1 else _CAPITAL.sub(_encoded, name) for name in names}


def _file(blob: BlobInfo) -> str:
    return blob.name.rpartition("/")[2]


def _encoded(capital: re.Match[str]) -> str:
    return f"%{ord(capital[0]):02X}"
