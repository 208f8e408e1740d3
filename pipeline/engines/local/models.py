"""Fetches the models of a run to this machine: those that a pack holds with the pack, others one by one.

The pack holds a model if scoring can read its row, and the MD5 that the row names is the one that storage has
of the blob. A row for another version of the blob, or for one without an MD5, is not used.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Changed, NotFound, ScoringProcessError
from pipeline.published.environment import code_hash
from pipeline.step_environment import run_scoring
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.listing import BlobInfo
from scoring import InvalidKey, SensorKey
from scoring.formats import BESIDE_MODELS, PACK_NAME

_TRIES = 5
"""Tries to download a model that keeps changing."""
_LISTED, _UNUSABLE = 0, 1
"""Exit codes of listing a pack; any other can be another one next time."""


@dataclass(frozen=True, slots=True)
class FetchedModels:
    """The models that a machine has for a run."""

    keys: tuple[SensorKey, ...]
    """The sensors that have a model."""
    packed: dict[str, str]
    """The models that are in the pack only, each with the MD5 of its file."""


def fetch_models(store: Store, cache: Path, models: Path, code: Path) -> FetchedModels:
    """Fetch all models, their pack and the list of expected sensors into `models`.

    `cache` keeps files for the next run, those of old versions until then; `code` reads packs.
    """
    listed: dict[str, BlobInfo] = {}
    keys: dict[str, SensorKey] = {}
    for blob in store.models.list():
        with suppress(InvalidKey):
            if blob.name not in BESIDE_MODELS:
                keys[blob.name] = SensorKey.from_model_name(blob.name)
            listed[blob.name] = blob
    kept = _Cache(store, cache, models)
    held: dict[str, str] = {}
    if PACK_NAME in listed:
        for pack in kept.fetch([listed.pop(PACK_NAME)]):
            held = kept.held(pack, code)
    packed = {name: blob.md5 for name, blob in listed.items() if blob.md5 and held.get(name) == blob.md5}
    files = kept.fetch(blob for blob in listed.values() if blob.name not in packed)
    kept.remove_old()
    there = (*packed, *(blob.name for blob in files))
    return FetchedModels(tuple(sorted(keys[name] for name in there if name in keys)), packed)


class _Cache:
    """Files that this machine keeps: a hash of a blob's name and ETag names each."""

    def __init__(self, store: Store, cache: Path, models: Path) -> None:
        self._container, self._models = store.models, models
        self._folder = cache / _digest(store.address, store.account, store.models.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._old = {entry.name for entry in os.scandir(self._folder)}

    def fetch(self, blobs: Iterable[BlobInfo]) -> list[BlobInfo]:
        """Have these in the folder of models; returns them in their latest version, without deleted ones."""
        found, todo = [], []
        for blob in blobs:
            place = self._place(blob.name, blob.etag)
            with suppress(FileNotFoundError):
                if place.stat().st_size == blob.size:  # a machine that lost power can have kept a part
                    (self._models / blob.name).hardlink_to(place)
                    found.append(blob)
                    continue
                place.unlink()
            todo.append(blob)
        return found + [blob for blob in in_parallel(self._download, todo) if blob]

    def held(self, pack: BlobInfo, code: Path) -> dict[str, str]:
        """The MD5 of each file whose model the pack has; this is kept, too, as long as code and pack stay."""
        place = self._place(pack.name, pack.etag, code_hash(code))
        found: dict[str, str]
        with suppress(FileNotFoundError, ValueError):
            found = json.loads(place.read_text("utf-8"))
            return found
        content = _list_pack(self._models, code)
        if content is None:
            return {}
        self._keep(content, place)
        found = json.loads(content)
        return found

    def remove_old(self) -> None:
        """Remove what nothing was asked of."""
        for name in self._old:
            (self._folder / name).unlink(missing_ok=True)

    def _place(self, *parts: str) -> Path:
        name = _digest(*parts)
        self._old.discard(name)
        return self._folder / name

    def _download(self, blob: BlobInfo) -> BlobInfo | None:
        path = self._models / blob.name
        for _ in range(_TRIES):
            try:
                self._container.download(blob.name, path, etag=blob.etag)
            except NotFound:
                return None
            except Changed:
                found = self._container.find(blob.name)
                if found is None:
                    return None
                blob = found
            else:
                # When it is complete, so that another worker never finds a part of it.
                with suppress(FileExistsError):
                    self._place(blob.name, blob.etag).hardlink_to(path)
                return blob
        raise Changed(
            f"{self._container.name}/{blob.name} keeps changing while it is downloaded; try again later"
        )

    def _keep(self, content: str, place: Path) -> None:
        path = self._models / place.name
        path.write_text(content, "utf-8")
        path.replace(place)


def _list_pack(models: Path, code: Path) -> str | None:
    """What scoring says a pack holds, as JSON; None if it cannot say at the moment.

    Scoring reads the pack in a process of its own, as steps do: it is data from outside, and needs numerics.
    """
    try:
        done = run_scoring("pack", "--models", models.resolve(), "--list", code=code)
    except ScoringProcessError:
        return None
    return {_LISTED: done.stdout, _UNUSABLE: "{}"}.get(done.returncode)  # steps say why it is unusable


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
