"""The two documents of a pipeline, and a published pipeline."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Documents:
    """The two documents as they are stored."""

    pipeline_yml: bytes
    score_yml: bytes
    steps: int
    """Number of steps that score."""
    sharded: bool
    """Whether a step scores a shard of the sensors, not one sensor."""

    @property
    def version(self) -> str:
        """A hash of the content: 16 hex digits after a letter, so that nothing reads it as a number."""
        return version_of(self.pipeline_yml, self.score_yml)


def version_of(pipeline_yml: bytes, score_yml: bytes) -> str:
    """The version of two documents."""
    return f"v{hashlib.sha256(joined(pipeline_yml, score_yml)).hexdigest()[:16]}"


def joined(pipeline_yml: bytes, score_yml: bytes) -> bytes:
    """Two documents as one; YAML has no NUL."""
    return score_yml + b"\0" + pipeline_yml


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPipeline:
    """A pipeline version that runs can execute."""

    version: str
    """A hash of its content: the same fleet and code give the same version."""
    engine: str
    """Name of the engine that it is published for."""
    component: str | None = None
    """Full id of the pipeline component, if the engine is Azure Machine Learning."""
    steps: int = 0
    """Number of steps that score, without `collect`."""
    lists_sensors: bool = True
    """Whether its steps score only what a manifest lists; those of the first releases score everything."""
