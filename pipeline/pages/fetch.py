"""Downloading the results of a run to a folder on this machine."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.storage.account import Store, in_parallel
from pipeline.storage.listing import BlobInfo


def results(store: Store, run: str) -> list[BlobInfo]:
    """The blobs that `run` wrote, without the outcomes of its steps."""
    prefix = f"{run}/"
    blobs = store.preds.list(prefix, metadata=True)
    # Our names are made from percent-encoded keys; others do not belong into a folder of results.
    return [blob for blob in blobs if not blob.is_folder and _is_plain(blob.name.removeprefix(prefix))]


def download(
    store: Store, blobs: Sequence[BlobInfo], folder: Path, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Download `blobs` to `folder`, which is created if there are any; `advance` gets the size of each."""
    if blobs:
        folder.mkdir(parents=True, exist_ok=True)

    def download_one(blob: BlobInfo) -> None:
        store.preds.download(blob.name, folder / blob.name.rpartition("/")[2])
        advance(blob.size)

    in_parallel(download_one, blobs)


def fetch(store: Store, run: str, folder: Path) -> int:
    """Download the results of `run`; returns the number of files."""
    found = results(store, run)
    download(store, found, folder)
    return len(found)


def _is_plain(name: str) -> bool:
    return "/" not in name and "\\" not in name and name not in {"", ".", ".."}
