"""Which sensors one step scores."""

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
