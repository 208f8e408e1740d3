"""Downloads what a run needs to this machine: its pipeline, landings, their manifest, and models."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import (
    Changed,
    ContainerMissing,
    NotFound,
    StorageDenied,
    StorageError,
    StorageUnreachable,
)
from pipeline.json_documents import to_json
from pipeline.published.documents import joined, version_of
from pipeline.published.publish import load_documents
from pipeline.runs.landing import Landing, Manifest
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.listing import BlobInfo
from scoring import InvalidKey, SensorKey
from scoring.formats import BESIDE_MODELS, MANIFEST_JSON, MANIFEST_VERSION, LandingStatus

_TRIES = 5
"""Tries to download a model that keeps changing."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Paths of the inputs of a run on this machine."""

    data: Path
    manifest: Path
    models: Path
    keys: tuple[SensorKey, ...]
    """The sensors that have a model."""

    def paths(self) -> dict[str, str]:
        """Values of the inputs of the pipeline."""
        return {"data": str(self.data), "manifest": str(self.manifest), "models": str(self.models)}


def fetch(store: Store, manifest: Manifest, cache: Path, folder: Path) -> Inputs:
    """Download everything into `folder`; `cache` keeps models for the next run."""
    data, models = folder / "data", folder / "models"
    data.mkdir()
    models.mkdir()
    local = folder / MANIFEST_JSON
    local.write_bytes(fetch_landings(store, manifest, data))
    return Inputs(data, local, models, fetch_models(store, cache, models))


def fetch_documents(store: Store, version: str, cache: Path) -> tuple[bytes, bytes]:
    """pipeline.yml and score.yml of a published version; `cache` keeps them for the next run.

    Raises:
        PublishError: there is no such version, or the documents are no longer those that were published.
    """
    kept = cache / version
    with suppress(FileNotFoundError, ValueError):
        score_yml, pipeline_yml = kept.read_bytes().split(b"\0")
        if version_of(pipeline_yml, score_yml) == version:
            return pipeline_yml, score_yml
    pipeline_yml, score_yml = load_documents(store, version)
    for old in cache.iterdir():
        old.unlink(missing_ok=True)
    part = cache / f"{version}.{os.getpid()}"
    part.write_bytes(joined(pipeline_yml, score_yml))
    with suppress(FileNotFoundError):  # another worker has just removed what it did not know
        part.replace(kept)
    return pipeline_yml, score_yml


def fetch_landings(store: Store, manifest: Manifest, data: Path) -> bytes:
    """Download each landing that has not changed; returns the manifest for this machine.

    Not every name of a blob can be the name of a file, so the file of a landing is named by its number. There
    is no file for a landing that was replaced or deleted, or that storage does not return, because it is
    archived for example.
    """

    def fetched(number: int, landing: Landing) -> dict[str, object]:
        file = f"{number:06}"
        try:
            store.data.download(landing.name, data / file, etag=landing.etag)
        except (ContainerMissing, StorageDenied, StorageUnreachable):  # the others would fail too
            raise
        except (NotFound, Changed):  # some servers also report a deleted blob as changed
            is_there = store.data.exists(landing.name)
            return {"found": LandingStatus.SUPERSEDED if is_there else LandingStatus.VANISHED}
        except StorageError as error:
            return {"found": LandingStatus.UNREADABLE, "reason": str(error)}
        return {"file": file}

    more = in_parallel(lambda pair: fetched(*pair), list(enumerate(manifest.landings)))
    entries = [to_json(landing) | how for landing, how in zip(manifest.landings, more, strict=True)]
    document = {"version": MANIFEST_VERSION, "run": manifest.run, "landings": entries}
    if manifest.sensors is not None:
        document["sensors"] = manifest.sensors
    if manifest.expected:
        document["expected"] = manifest.expected
    return json.dumps(document, ensure_ascii=False).encode()


def fetch_models(store: Store, cache: Path, models: Path) -> tuple[SensorKey, ...]:
    """Download all models, their pack and the list of expected sensors; returns the keys of the models.

    Models that were downloaded before are linked from `cache`, where a hash of name and ETag names each file.
    Files of old versions are removed from there.
    """
    own = cache / _digest(store.address, store.account, store.models.name)
    own.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, BlobInfo] = {}
    keys = []
    for blob in store.models.list():
        with suppress(InvalidKey):
            if blob.name not in BESIDE_MODELS:
                keys.append(SensorKey.from_model_name(blob.name))
            wanted[blob.name] = blob
    here = {entry.name for entry in os.scandir(own)}
    todo = []
    for blob in wanted.values():
        kept = _digest(blob.name, blob.etag)
        try:
            (models / blob.name).hardlink_to(own / kept)
        except FileNotFoundError:
            todo.append(blob)
        here.discard(kept)
    gone = set(in_parallel(lambda blob: _fetch_model(store, blob, own, models), todo))
    for old in here:
        (own / old).unlink(missing_ok=True)
    return tuple(sorted(key for key in keys if key.model_name not in gone))


def _fetch_model(store: Store, blob: BlobInfo, cache: Path, models: Path) -> str | None:
    """Download one model and keep it in the cache; returns its name if it was deleted."""
    path = models / blob.name
    for _ in range(_TRIES):
        try:
            store.models.download(blob.name, path, etag=blob.etag)
        except NotFound:
            return blob.name
        except Changed:
            found = store.models.find(blob.name)
            if found is None:
                return blob.name
            blob = found
        else:
            # Link it when it is complete, so that another worker never finds a part of it.
            with suppress(FileExistsError):
                (cache / _digest(blob.name, blob.etag)).hardlink_to(path)
            return None
    raise Changed(f"{store.models.name}/{blob.name} keeps changing while it is downloaded; try again later")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
