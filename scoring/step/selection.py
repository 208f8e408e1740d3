"""Which sensors one step scores."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

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
