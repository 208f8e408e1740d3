"""Fetching what a run left to a folder of this machine."""

from pathlib import Path

from pipeline.storage.account import Store, in_parallel


def fetch(store: Store, run: str, folder: Path) -> int:
    """Fetch all that `run` left in the preds container, but its steps' notes; returns how many files."""
    prefix = f"{run}/"
    names = [blob.name.removeprefix(prefix) for blob in store.preds.list(prefix)]
    # Names are ours, made from percent-encoded keys; anything else beside them is not for this folder.
    names = [name for name in names if "/" not in name and "\\" not in name and name not in {"", ".", ".."}]
    if names:
        folder.mkdir(parents=True, exist_ok=True)
    in_parallel(lambda name: store.preds.download(prefix + name, folder / name), names)
    return len(names)
