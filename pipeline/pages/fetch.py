"""Downloading the results of a run to a folder on this machine."""

from pathlib import Path

from pipeline.storage.account import Store, in_parallel


def fetch(store: Store, run: str, folder: Path) -> int:
    """Download the results of `run`, without the outcomes of its steps; returns the number of files."""
    prefix = f"{run}/"
    blobs = store.preds.list(prefix, metadata=True)
    names = [blob.name.removeprefix(prefix) for blob in blobs if not blob.is_folder]
    # Our names are made from percent-encoded keys; others do not belong into this folder.
    names = [name for name in names if "/" not in name and "\\" not in name and name not in {"", ".", ".."}]
    if names:
        folder.mkdir(parents=True, exist_ok=True)
    in_parallel(lambda name: store.preds.download(prefix + name, folder / name), names)
    return len(names)
