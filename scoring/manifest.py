"""The manifest of a run: which landings it scores, and whether they are still what they were."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Landing:
    """One data blob at one ETag. `file` and `found` are set by an engine that fetched it."""

    name: str
    etag: str
    size: int
    md5: str | None = None
    file: str | None = None
    found: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The landings of one run."""

    run: str
    landings: tuple[Landing, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest.

        Raises:
            ManifestError: there is none at `path`, or it is not a manifest.
        """
        raise NotImplementedError


def locate(landing: Landing, data_root: Path) -> tuple[Path | None, str, str | None]:
    """Where a landing lies below `data_root`: its path, status and the reason if it is not read."""
    raise NotImplementedError
