"""A published pipeline: its two documents, and what an engine makes of them."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Documents:
    """The two documents, ready to be written down."""

    pipeline_yml: bytes
    score_yml: bytes
    steps: int
    """How many steps score."""
    sharded: bool
    """Whether a step scores a shard of the sensors, not one."""

    @property
    def version(self) -> str:
        """Made from the content: 16 hex digits, a letter first so that nothing reads it as a number."""
        digest = hashlib.sha256(self.score_yml + b"\0" + self.pipeline_yml)
        return f"v{digest.hexdigest()[:16]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPipeline:
    """A pipeline that runs can be submitted of."""

    version: str
    """Made from its content: the same fleet and the same code give the same version."""
    engine: str
    """Name of the engine that has it."""
    component: str | None = None
    """Full id of the pipeline component, where the engine is Azure Machine Learning."""
    steps: int = 0
    """How many steps score; `collect` is not among them."""
