"""Publishing: from the models that there are to a pipeline that runs can be submitted of.

What is where, in the runs container:

    published/<version>/pipeline.yml, score.yml   the documents
    published/<version>/published.json            what the engine made of them
    published/current                             the same, of the version that new runs use

A version is made from its content and never changes, so publishing what is there already changes nothing.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import (
    AlreadyExists,
    Changed,
    NotFound,
    NothingPublished,
    PublishError,
)
from pipeline.json_documents import read_document
from pipeline.published.documents import PublishedPipeline
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Content
from scoring import InvalidKey, SensorKey
from scoring.formats import PACK_NAME

if TYPE_CHECKING:
    from pipeline.published.documents import Documents
    from pipeline.settings import Settings

VERSION = 1
"""Of the format of published.json."""

_TRIES = 5
"""So often others may publish meanwhile."""

FOLDER = "published"
CURRENT = f"{FOLDER}/current"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What lies in the models container."""

    keys: tuple[SensorKey, ...]
    others: tuple[str, ...]
    """Names of blobs that are not models, and that no step looks at."""


@dataclass(frozen=True, slots=True)
class _Published:
    """published.json, without the version of its format."""

    published: str
    engine: str
    component: str | None
    steps: int


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of publishing."""

    published: PublishedPipeline
    documents: "Documents"
    fleet: Fleet
    changed: bool
    """Whether new runs use another version from now on."""


class Publisher(Protocol):
    """What publishing asks of an engine."""

    def publish(self, documents: "Documents") -> PublishedPipeline:
        """Get ready to run these documents."""


def find_fleet(store: Store) -> Fleet:
    """The sensors that have a model, and what else lies beside the models."""
    keys, others = [], []
    for blob in store.models.list():
        try:
            keys.append(SensorKey.from_model_name(blob.name))
        except InvalidKey:
            if blob.name != PACK_NAME:
                others.append(blob.name)
    return Fleet(tuple(sorted(keys)), tuple(others))


def prepare(settings: "Settings", fleet: Fleet) -> "Documents":
    """The documents for a fleet, as the settings and the code of this project make them.

    Raises:
        PublishError: there are no models, or the project's folder is not complete.
    """
    from pipeline.published import build, environment

    return build.build(
        fleet.keys,
        max_steps=settings.max_steps,
        time_limit=settings.step_time_limit,
        limits=build.Limits(settings.max_row_mb, settings.max_unpacked_mb),
        environment=f"azureml:{environment.NAME}:{environment.environment_version(environment.conda_file())}",
        code=f"azureml:{environment.NAME}:v{environment.code_hash()[:16]}",
    )


def publish(store: Store, settings: "Settings", publisher: Publisher) -> Publication:
    """Build the documents, hand them to the engine, and make the result the current version.

    Where somebody else publishes meanwhile, the models are looked at again: the version that stays was made
    from a listing that no other is ahead of.

    Raises:
        PublishError: there are no models, the engine refuses the documents, or others publish all the time.
    """
    for _ in range(_TRIES):
        before = _found(store)
        fleet = find_fleet(store)
        documents = prepare(settings, fleet)
        published = publisher.publish(documents)
        _store(store, documents, published)
        with suppress(AlreadyExists, Changed):
            return Publication(published, documents, fleet, _put(store, published, before))
    raise PublishError("others publish at the same time, again and again: publish later")


def make_current(store: Store, published: PublishedPipeline) -> bool:
    """Let new runs use this version; False where they do so already.

    Raises:
        Changed, AlreadyExists: somebody else publishes at the same time.
    """
    return _put(store, published, _found(store))


def _found(store: Store) -> Content | None:
    try:
        return store.runs.read(CURRENT)
    except NotFound:
        return None


def _put(store: Store, published: PublishedPipeline, before: Content | None) -> bool:
    """Put a version in the place of the one that was found before; False where it is the same."""
    content = _to_bytes(published)
    if before is None:
        store.runs.create(CURRENT, content)
        return True
    if before.data == content:
        return False
    store.runs.replace(CURRENT, content, before.etag)
    return True


def _store(store: Store, documents: "Documents", published: PublishedPipeline) -> None:
    """Store a version: published.json last, because where that is, all of it is."""
    folder = f"{FOLDER}/{published.version}"
    files = (("pipeline.yml", documents.pipeline_yml), ("score.yml", documents.score_yml))
    in_parallel(lambda file: store.runs.put(f"{folder}/{file[0]}", file[1]), files)
    store.runs.put(f"{folder}/published.json", _to_bytes(published))


def current(store: Store) -> PublishedPipeline:
    """What new runs use. Raises NothingPublished."""
    try:
        content = store.runs.read(CURRENT)
    except NotFound as error:
        raise NothingPublished from error
    return from_bytes(content.data, f"{store.runs.name}/{CURRENT}")


def load(store: Store, version: str) -> PublishedPipeline:
    """One published version. Raises PublishError where there is none of that name."""
    path = f"{FOLDER}/{version}/published.json"
    return from_bytes(_read(store, version, path), f"{store.runs.name}/{path}")


def load_documents(store: Store, version: str) -> tuple[bytes, bytes]:
    """pipeline.yml and score.yml of one published version. Raises PublishError."""
    pipeline, score = in_parallel(
        lambda name: _read(store, version, f"{FOLDER}/{version}/{name}"), ("pipeline.yml", "score.yml")
    )
    return pipeline, score


def versions(store: Store) -> list[str]:
    """All versions that were ever published, by name."""
    found = (blob.name.split("/") for blob in store.runs.list(f"{FOLDER}/"))
    return sorted(parts[1] for parts in found if parts[2:] == ["published.json"])


def _read(store: Store, version: str, path: str) -> bytes:
    try:
        if version.isascii() and version.isalnum():
            return store.runs.read(path).data
    except NotFound:
        pass
    there = _told(versions(store))
    raise PublishError(f"no version {version[:80]!r} is published ({there}): publish again")


def _told(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""  # noqa: PLR2004
    return f"there are {', '.join(listed[:5])}{more}" if listed else "there is none"


def _to_bytes(published: PublishedPipeline) -> bytes:
    document = {
        "version": VERSION,
        "published": published.version,
        "engine": published.engine,
        "component": published.component,
        "steps": published.steps,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def from_bytes(data: bytes, where: str) -> PublishedPipeline:
    """What was published, from `data`, which was read from `where`.

    Raises:
        PublishError: it is no such document, or of a version that is not known here.
    """
    found = read_document(
        data,
        _Published,
        version=VERSION,
        where=where,
        what="a published pipeline",
        hint="publish again",
        error=PublishError,
    )
    return PublishedPipeline(
        version=found.published, engine=found.engine, component=found.component, steps=found.steps
    )
