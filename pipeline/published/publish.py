"""Publishing: builds a pipeline from the models in storage, for new runs.

Layout in the runs container:

    published/<version>/pipeline.yml, score.yml   the documents
    published/<version>/published.json            what the engine returned for them
    published/current                             the same, for the version that new runs use

A version is a hash of its content and never changes, so publishing the same content again changes nothing.
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
from pipeline.published.documents import PublishedPipeline, version_of
from pipeline.storage.account import Store, in_parallel
from pipeline.storage.container import Content
from scoring import InvalidKey, SensorKey, describe_others
from scoring.formats import BESIDE_MODELS

if TYPE_CHECKING:
    from pipeline.published.documents import Documents
    from pipeline.settings import Settings

VERSION = 1
"""Version of the format of published.json."""

_TRIES = 5
"""Tries while other processes publish at the same time."""

FOLDER = "published"
CURRENT = f"{FOLDER}/current"


@dataclass(frozen=True, slots=True)
class FleetModels:
    """Content of the models container."""

    keys: tuple[SensorKey, ...]
    others: tuple[str, ...]
    """Names of blobs that are not models; steps ignore them."""

    @property
    def notes(self) -> list[str]:
        """What the other blobs are, and what to do with them: a line for each kind."""
        return describe_others(self.others)

    @property
    def missing(self) -> str | None:
        """What to do if there are no models; None if there are."""
        if self.keys:
            return None
        found = f"; found {'; '.join(self.notes)}" if self.others else ""
        return f"there are no models: run python -m pipeline upload --models FOLDER, then publish{found}"


@dataclass(frozen=True, slots=True)
class _Published:
    """published.json, without the version of its format."""

    published: str
    engine: str
    component: str | None
    steps: int
    lists_sensors: bool = False


@dataclass(frozen=True, slots=True)
class Publication:
    """The result of publishing."""

    published: PublishedPipeline
    documents: "Documents"
    fleet: FleetModels
    changed: bool
    """Whether new runs use another version than before."""


class Publisher(Protocol):
    """What publishing needs from an engine."""

    def processors(self) -> int:
        """The number of processors of all its steps together."""

    def publish(self, documents: "Documents") -> PublishedPipeline:
        """Prepare to run these documents."""


def find_fleet(store: Store) -> FleetModels:
    """The sensors that have a model, and other blobs in the models container."""
    keys, others = [], []
    for blob in store.models.list():
        try:
            keys.append(SensorKey.from_model_name(blob.name))
        except InvalidKey:
            if blob.name not in BESIDE_MODELS:
                others.append(blob.name)
    return FleetModels(tuple(sorted(keys)), tuple(others))


def prepare(settings: "Settings", fleet: FleetModels, publisher: Publisher) -> "Documents":
    """The documents for a fleet, with these settings and the code of this project.

    A step per sensor costs more than its scoring: the step is started, and reads every landing. A large fleet
    has as many steps as the engine has processors, and a new sensor does not need a new version.

    Raises:
        PublishError: there are no models, or the folder of the project is incomplete.
        EngineError: the engine does not report its processors.
    """
    from pipeline.published import build, environment

    if missing := fleet.missing:
        raise PublishError(missing)
    is_large = len(fleet.keys) > settings.max_steps
    return build.build(
        fleet.keys,
        shards=(settings.shards or publisher.processors()) if is_large else None,
        time_limit=settings.step_time_limit,
        limits=build.ReadingLimits(
            settings.max_row_mb,
            settings.max_unpacked_mb,
            settings.max_rejected,
            settings.mapping or "",
            settings.episode_gap,
            settings.episode_least,
        ),
        environment=f"azureml:{environment.NAME}:{environment.environment_version(environment.conda_file())}",
        code=f"azureml:{environment.NAME}:v{environment.code_hash()[:16]}",
    )


def dropped_mapping(store: Store, settings: "Settings") -> str | None:
    """What to say where the current version has a mapping, and these settings do not say which to use."""
    from pipeline.published.build import mapping_of
    from scoring.mapping_text import parse

    if settings.mapping is not None:
        return None
    try:
        mapping = mapping_of(load_documents(store, current(store).version)[1])
    except (NothingPublished, PublishError):  # then there is nothing to keep
        return None
    if not mapping:
        return None
    return (
        "SCORING_MAPPING is not set here, and the published pipeline has a mapping: without it, a new one "
        "reads no such files. To publish without a mapping, set SCORING_MAPPING to {}; to keep it, set "
        f"SCORING_MAPPING to this, and publish again: {parse(mapping)}"
    )


def publish(store: Store, settings: "Settings", publisher: Publisher) -> Publication:
    """Build the documents, pass them to the engine, and make the result the current version.

    If another process publishes at the same time, list the models again: so the current version is always
    built from the latest listing.

    Raises:
        PublishError: there are no models, the engine refuses the documents, or others keep publishing.
    """
    for _ in range(_TRIES):
        before = _found(store)
        fleet = find_fleet(store)
        documents = prepare(settings, fleet, publisher)
        published = publisher.publish(documents)
        _store(store, documents, published)
        with suppress(AlreadyExists, Changed):
            return Publication(published, documents, fleet, _put(store, published, before))
    raise PublishError("other processes keep publishing at the same time; publish again later")


def make_current(store: Store, published: PublishedPipeline) -> bool:
    """Make new runs use this version; False if they do already.

    Raises:
        Changed, AlreadyExists: another process publishes at the same time.
    """
    return _put(store, published, _found(store))


def _found(store: Store) -> Content | None:
    try:
        return store.runs.read(CURRENT)
    except NotFound:
        return None


def _put(store: Store, published: PublishedPipeline, before: Content | None) -> bool:
    """Replace the version that was found before; False if it is the same."""
    content = _to_bytes(published)
    if before is None:
        store.runs.create(CURRENT, content)
        return True
    if before.data == content:
        return False
    store.runs.replace(CURRENT, content, before.etag)
    return True


def _store(store: Store, documents: "Documents", published: PublishedPipeline) -> None:
    """Store a version: published.json last, so that its presence means a complete version."""
    folder = f"{FOLDER}/{published.version}"
    files = (("pipeline.yml", documents.pipeline_yml), ("score.yml", documents.score_yml))
    in_parallel(lambda file: store.runs.put(f"{folder}/{file[0]}", file[1]), files)
    store.runs.put(f"{folder}/published.json", _to_bytes(published))


def current(store: Store) -> PublishedPipeline:
    """The version that new runs use. Raises NothingPublished."""
    try:
        content = store.runs.read(CURRENT)
    except NotFound as error:
        raise NothingPublished from error
    return from_bytes(content.data, f"{store.runs.name}/{CURRENT}")


def load(store: Store, version: str) -> PublishedPipeline:
    """One published version. Raises PublishError if there is no such version."""
    path = f"{FOLDER}/{version}/published.json"
    return from_bytes(_read(store, version, path), f"{store.runs.name}/{path}")


def load_documents(store: Store, version: str) -> tuple[bytes, bytes]:
    """pipeline.yml and score.yml of one published version.

    Raises:
        PublishError: there is no such version, or the documents are no longer those that were published.
    """
    pipeline, score = in_parallel(
        lambda name: _read(store, version, f"{FOLDER}/{version}/{name}"), ("pipeline.yml", "score.yml")
    )
    if version_of(pipeline, score) != version:
        raise PublishError(
            f"the documents of version {version} in container {store.runs.name!r} were changed: publish "
            "again, and find out who else can write there"
        )
    return pipeline, score


def step_names(store: Store, version: str) -> list[str]:
    """Names of all steps of one published version, in its order; none if it was deleted."""
    import yaml

    try:
        pipeline_yml, _ = load_documents(store, version)
    except PublishError:
        return []
    return list(yaml.load(pipeline_yml, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["jobs"])  # noqa: S506


def versions(store: Store) -> list[str]:
    """Names of all published versions."""
    found = (blob.name.split("/") for blob in store.runs.list(f"{FOLDER}/"))
    return sorted(parts[1] for parts in found if parts[2:] == ["published.json"])


def _read(store: Store, version: str, path: str) -> bytes:
    try:
        if version.isascii() and version.isalnum():
            return store.runs.read(path).data
    except NotFound:
        pass
    there = _listed(versions(store))
    raise PublishError(f"version {version[:80]!r} is not published ({there}): publish again")


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""  # noqa: PLR2004
    return f"there are {', '.join(listed[:5])}{more}" if listed else "there are no versions"


def _to_bytes(published: PublishedPipeline) -> bytes:
    document = {
        "version": VERSION,
        "published": published.version,
        "engine": published.engine,
        "component": published.component,
        "steps": published.steps,
        "lists_sensors": published.lists_sensors,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def from_bytes(data: bytes, where: str) -> PublishedPipeline:
    """The published pipeline in `data`, which was read from `where`.

    Raises:
        PublishError: it is not a published pipeline, or has an unknown version.
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
        version=found.published,
        engine=found.engine,
        component=found.component,
        steps=found.steps,
        lists_sensors=found.lists_sensors,
    )
