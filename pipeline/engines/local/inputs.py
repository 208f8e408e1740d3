"""Downloads what a run needs to this machine: pipeline, landings, models, and a manifest of what is here."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.engines.local.models import fetch_models
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
from scoring import SensorKey
from scoring.formats import MANIFEST_JSON, MANIFEST_VERSION, LandingStatus


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


def fetch(store: Store, manifest: Manifest, cache: Path, folder: Path, code: Path) -> Inputs:
    """Download everything into `folder`; `cache` keeps models for the next run, and `code` reads packs."""
    data, models = folder / "data", folder / "models"
    data.mkdir()
    models.mkdir()
    local = folder / MANIFEST_JSON
    landings = fetch_landings(store, manifest, data)
    fetched = fetch_models(store, cache, models, code)
    local.write_bytes(_local_manifest(manifest, landings, fetched.packed))
    return Inputs(data, local, models, fetched.keys)


def fetch_documents(store: Store, version: str, cache: Path, folder: Path) -> tuple[bytes, bytes]:
    """pipeline.yml and score.yml of a published version; `cache` keeps them for the next run.

    They are written in `folder` first, so that another worker never finds a part of them.

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
    part = folder / version
    part.write_bytes(joined(pipeline_yml, score_yml))
    part.replace(kept)
    return pipeline_yml, score_yml


def fetch_landings(store: Store, manifest: Manifest, data: Path) -> list[dict[str, object]]:
    """Download each landing that has not changed; returns them as the manifest for this machine has them.

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
    return [to_json(landing) | how for landing, how in zip(manifest.landings, more, strict=True)]


def _local_manifest(
    manifest: Manifest, landings: list[dict[str, object]], packed: Mapping[str, str]
) -> bytes:
    document = {"version": MANIFEST_VERSION, "run": manifest.run, "landings": landings}
    if manifest.sensors is not None:
        document["sensors"] = manifest.sensors
    if manifest.expected:
        document["expected"] = manifest.expected
    if packed:
        document["packed"] = packed
    return json.dumps(document, ensure_ascii=False).encode()
