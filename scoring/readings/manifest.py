"""The manifest of a run: which landings it scores, and whether they have changed since.

    {"version": 1, "run": "blob-…", "landings": [{"name", "etag", "size", "md5", "file", "found", "reason"}]}

`md5` is base64 or null. An engine that fetches landings adds `file`, the path below the data folder where
that is not the landing's name, and, for one that it could not fetch, `found`: "superseded", "vanished" or
"unreadable", the last with its `reason`. In a try for the sensors whose steps were lost, `sensors` lists
their encoded keys, such as "1_3": steps and `collect` work on these only. An engine that fetched a pack in
place of models lists their names as `packed`, each with the MD5 of its file. New fields can be added within
a version; a field that changes its meaning needs a new version.

`expected` lists the encoded keys of the sensors that the last landing like this one brought: `collect`
reports those of them that sent nothing.
"""

import base64
import errno
import hashlib
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scoring.errors import ManifestError
from scoring.formats import MANIFEST_VERSION, LandingStatus
from scoring.json_files import Document
from scoring.keys import SensorKey

MAX_SEGMENT = 255
"""Bytes in one part of a path: the limit of most file systems."""

MD5_BYTES = 16

_REASONS = {
    LandingStatus.SUPERSEDED: "it was replaced after this run was made; its new version is another run's",
    LandingStatus.VANISHED: "it was deleted after this run was made",
    LandingStatus.UNREADABLE: "storage refuses to read it",
}


@dataclass(frozen=True, slots=True)
class ManifestLanding:
    """One data blob at one ETag. An engine that fetches landings sets `file`, `found` and `reason`."""

    name: str
    etag: str
    size: int
    md5: str | None = None
    file: str | None = None
    found: LandingStatus | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size {self.size} is not a number of bytes")
        if self.found is not None and self.found not in _REASONS:
            raise ValueError(f"found {self.found} is not one of {', '.join(_REASONS)}")
        if self.md5 is not None and len(base64.b64decode(self.md5, validate=True)) != MD5_BYTES:
            raise ValueError(f"md5 {self.md5[:40]} is not {MD5_BYTES} bytes in base64")


@dataclass(frozen=True, slots=True)
class RunManifest:
    """The landings of one run."""

    run: str
    landings: tuple[ManifestLanding, ...]
    sensors: tuple[str, ...] | None = None
    """Encoded keys of the only sensors to score; None for all."""
    expected: tuple[str, ...] = ()
    """Encoded keys of the sensors that the last landing like this one brought, if that is known."""
    packed: Mapping[str, str] = field(default_factory=dict)
    """Models that this machine has in a pack only: names of their files, with the MD5 in base64."""

    @property
    def brought(self) -> frozenset[SensorKey]:
        """The sensors that the last landing like this one brought, if that is known."""
        return frozenset(map(SensorKey.from_encoded, self.expected))

    @property
    def listed(self) -> frozenset[SensorKey] | None:
        """The only sensors to score; None for all."""
        return None if self.sensors is None else frozenset(map(SensorKey.from_encoded, self.sensors))

    @staticmethod
    def read(path: Path) -> "RunManifest":
        """Read a manifest.

        Raises:
            ManifestError: `path` cannot be read, or is not a manifest.
        """
        try:
            return _MANIFEST.read(path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
            raise ManifestError(f"manifest {path}: {error.strerror}") from error

    def __post_init__(self) -> None:
        if len({landing.name for landing in self.landings}) != len(self.landings):
            raise ValueError("a landing is listed twice")
        if self.brought and len(self.brought) != len(self.expected):
            raise ValueError("a sensor is expected twice")
        if self.listed is not None and len(self.listed) != len(self.sensors or ()):
            raise ValueError("a sensor is listed twice")


_MANIFEST = Document(
    RunManifest, MANIFEST_VERSION, "the manifest of a run", "submit the run again", ManifestError
)


def locate(landing: ManifestLanding, data_root: Path) -> tuple[Path | None, LandingStatus, str | None]:
    """A landing's file below `data_root`: its path, its status, and the reason where it is not to be read.

    Its size, and its MD5 where that is known, must be those of the manifest. Nothing outside of
    `data_root` is opened, neither by a name nor through a link.
    """
    if landing.found:
        return None, landing.found, landing.reason or _REASONS[landing.found]
    try:
        return _verified(landing, data_root), LandingStatus.READ, None
    except _NotRead as found:
        return None, found.status, found.reason
    except (FileNotFoundError, NotADirectoryError):
        return None, LandingStatus.VANISHED, "the data folder has no such file"
    except PermissionError:
        return None, LandingStatus.UNREADABLE, "permission to read it is denied"
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENAMETOOLONG}:
            raise
        return None, LandingStatus.REFUSED, f"its name cannot be opened ({error.strerror})"


class _NotRead(Exception):
    def __init__(self, status: LandingStatus, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def _verified(landing: ManifestLanding, data_root: Path) -> Path:
    relative = landing.name if landing.file is None else landing.file
    if reason := _unsafe(relative):
        raise _NotRead(LandingStatus.REFUSED, f"its name {reason}, so it cannot be a file")
    path = (data_root / relative).resolve(strict=True)
    if not path.is_relative_to(data_root.resolve()):
        raise _NotRead(LandingStatus.REFUSED, "it is a link out of the data folder")
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _NotRead(LandingStatus.REFUSED, "it is not a file")
    if found.st_size != landing.size:
        sizes = f"it has {found.st_size:,} bytes, not the {landing.size:,} of the manifest"
        raise _NotRead(LandingStatus.SUPERSEDED, sizes)
    if landing.md5 is not None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        if digest != base64.b64decode(landing.md5):
            raise _NotRead(LandingStatus.SUPERSEDED, "its MD5 is not that of the manifest")
    return path


def _unsafe(name: str) -> str | None:
    """Why a name cannot be a path below a folder, or None where it can."""
    if any(unicodedata.category(character) == "Cc" for character in name) or "\\" in name:
        return "holds a backslash or a control character"
    for segment in name.split("/"):
        if segment in {"", ".", ".."}:
            return "is empty" if not name else "is not a plain relative path"
        if len(segment.encode()) > MAX_SEGMENT:
            return f"has a part of more than {MAX_SEGMENT} bytes"
    return None
