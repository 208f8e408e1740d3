"""Which sensors one step scores."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from scoring.errors import UsageError
from scoring.keys import SensorKey


class Selection(Protocol):
    """Which sensors a step scores, and the step's name."""

    @property
    def step(self) -> str: ...  # noqa: D102

    def covers(self, key: SensorKey) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Everything:
    """All sensors."""

    step: str = "all"

    def covers(self, key: SensorKey) -> bool:  # noqa: ARG002, D102
        return True


@dataclass(frozen=True, slots=True)
class OneSensor:
    """One sensor."""

    key: SensorKey

    @property
    def step(self) -> str:  # noqa: D102
        return self.key.encoded

    def covers(self, key: SensorKey) -> bool:  # noqa: D102
        return key == self.key


@dataclass(frozen=True, slots=True)
class Shard:
    """The sensors whose stable hash falls in shard `index` of `count`, counted from 0."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise UsageError(f"--shard {self.index}/{self.count}: expected i/n with 0 <= i < n, such as 0/10")

    @property
    def step(self) -> str:  # noqa: D102
        return f"shard-{self.index:04}-of-{self.count:04}"

    def covers(self, key: SensorKey) -> bool:  # noqa: D102
        return key.shard(self.count) == self.index


@dataclass(frozen=True, slots=True)
class Listed:
    """The sensors of another selection that the manifest lists."""

    whole: Selection
    keys: Collection[SensorKey]

    @property
    def step(self) -> str:  # noqa: D102
        return self.whole.step

    def covers(self, key: SensorKey) -> bool:  # noqa: D102
        return key in self.keys and self.whole.covers(key)


def narrow(selection: Selection, listed: frozenset[SensorKey] | None) -> Selection | None:
    """The part of a step's selection that the manifest lists; None if there is none."""
    if listed is None:
        return selection
    keys = frozenset(filter(selection.covers, listed))
    if isinstance(selection, OneSensor):
        return selection if keys else None
    return Listed(selection, keys) if keys else None
