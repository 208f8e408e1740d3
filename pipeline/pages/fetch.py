"""Downloading the results of a run to a folder on this machine."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pipeline.storage.account import Store, in_parallel

_RESULT = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_%.~-]{0,253}[A-Za-z0-9])?")
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?")
"""Windows opens a device under these names, whatever follows the dot."""

_CAPITAL = re.compile("(?<!%)(?<!%[0-9A-F])[A-Z]")
"""Not in an escape."""


def fetch(store: Store, run: str, folder: Path) -> int:
    """Download the results of `run`, without the outcomes of its steps; returns the number of files."""
    prefix = f"{run}/"
    blobs = store.preds.list(prefix, metadata=True)
    files = file_names(blob.name.removeprefix(prefix) for blob in blobs if not blob.is_folder)
    if files:
        folder.mkdir(parents=True, exist_ok=True)
    in_parallel(lambda name: store.preds.download(prefix + name, folder / files[name]), files)
    return len(files)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """The name of the file of each of these blobs; without those that are not results of a run.

    Results have names of letters, digits and a few signs. Two that differ in case only would be one file on
    many systems: there, capitals are percent-encoded too, which names the same sensor.
    """
    names = [name for name in names if _RESULT.fullmatch(name) and not _RESERVED.fullmatch(name)]
    alike = Counter(map(str.lower, names))
    return {name: name if alike[name.lower()] == 1 else _CAPITAL.sub(_encoded, name) for name in names}


def _encoded(capital: re.Match[str]) -> str:
    return f"%{ord(capital[0]):02X}"
