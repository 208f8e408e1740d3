"""Shards: fixed shares of a fleet's sensors, by a stable hash of their keys.

`pipeline` divides a large fleet into shards, a step scores one, and both name its outcome alike.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Self

from scoring.errors import UsageError
from scoring.keys import SensorKey

_TEXT = re.compile(r"(?P<index>[0-9]{1,9})/(?P<count>[0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Shard:
    """The sensors whose stable hash falls in shard `index` of `count`, counted from 0.

    Raises:
        UsageError: there is no such shard.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise UsageError(f"--shard {self.index}/{self.count}: expected i/n with 0 <= i < n, such as 0/10")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The shard that `i/n` names.

        Raises:
            UsageError: it is not of this form, or there is no such shard.
        """
        found = _TEXT.fullmatch(text)
        if not found:
            raise UsageError(f"--shard {text[:40]}: expected i/n, such as 0/10")
        return cls(int(found["index"]), int(found["count"]))

    @property
    def step(self) -> str:
        """Name of the step that scores this shard, as its outcome gives it."""
        return f"shard-{self.index:04}-of-{self.count:04}"

    def covers(self, key: SensorKey) -> bool:
        """Whether this shard has the sensor; the same on every machine."""
        digest = hashlib.sha256(key.encoded.encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index
