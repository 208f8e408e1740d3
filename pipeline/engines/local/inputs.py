"""What a run reads, brought from blob storage to this machine: landings, their manifest, and models."""

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
from pipeline.runs.landing import Landing, Manifest
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import BlobInfo
from scoring import InvalidKey, SensorKey
from scoring.formats import MANIFEST_JSON, MANIFEST_VERSION, PACK_NAME, LandingStatus

_LOOKS = 5
"""How often a model that changes while it is fetched is looked for again."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where on this machine a run's inputs lie."""

    data: Path
    manifest: Path
    models: Path
    keys: tuple[SensorKey, ...]
    """The sensors that have a model."""

    def paths(self) -> dict[str, str]:
        """As values of the pipeline's inputs."""
        return {"data": str(self.data), "manifest": str(self.manifest), "models": str(self.models)}


def fetch(store: Store, manifest: Manifest, cache: Path, folder: Path) -> Inputs:
    """Bring everything below `folder`; `cache` keeps models for the next run."""
    data, models = folder / "data", folder / "models"
    data.mkdir()
    models.mkdir()
    local = folder / MANIFEST_JSON
    local.write_bytes(fetch_landings(store, manifest, data))
    return Inputs(data, local, models, fetch_models(store, cache, models))


def fetch_landings(store: Store, manifest: Manifest, data: Path) -> bytes:
    """Fetch each landing that still is what it was; returns the manifest for this machine.

    Names of blobs may be no names of files, so a landing's file is called by its number. One that was
    replaced or is gone stays away, and so does one that storage does not give out (it may be archived); the
    manifest says so.
    """

    def fetched(number: int, landing: Landing) -> dict[str, object]:
        file = f"{number:06}"
        try:
            store.data.download(landing.name, data / file, etag=landing.etag)
        except (ContainerMissing, StorageDenied, StorageUnreachable):  # nor will others be had now
            raise
        except (NotFound, Changed):  # a condition fails on a blob that is gone, too, on some servers
            is_there = store.data.exists(landing.name)
            return {"found": LandingStatus.SUPERSEDED if is_there else LandingStatus.VANISHED}
        except StorageError as error:
            return {"found": LandingStatus.UNREADABLE, "reason": str(error)}
        return {"file": file}

    more = in_parallel(lambda pair: fetched(*pair), list(enumerate(manifest.landings)))
    entries = [to_json(landing) | how for landing, how in zip(manifest.landings, more, strict=True)]
    document = {"version": MANIFEST_VERSION, "run": manifest.run, "landings": entries}
    return json.dumps(document, ensure_ascii=False).encode()


def fetch_models(store: Store, cache: Path, models: Path) -> tuple[SensorKey, ...]:
    """Bring all models, and their pack; returns their keys.

    What was fetched before is linked from `cache`, where files are called by name and ETag; what nobody
    can ask for any more is removed from there.
    """
    own = cache / _digest(store.address, store.account, store.models.name)
    own.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, BlobInfo] = {}
    keys = []
    for blob in store.models.list():
        with suppress(InvalidKey):
            if blob.name != PACK_NAME:
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
    """Fetch one model and keep it; its name, where it is gone by now."""
    path = models / blob.name
    for _ in range(_LOOKS):
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
            # Linked when whole, so that a worker beside this one never finds half of it.
            with suppress(FileExistsError):
                (cache / _digest(blob.name, blob.etag)).hardlink_to(path)
            return None
    raise Changed(f"{store.models.name}/{blob.name} changes again and again while it is fetched: try later")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
