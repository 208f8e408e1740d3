"""The manifest of a run: which landings it scores, and whether they are still what they were.

    {"version": 1, "run": "blob-…", "landings": [{"name", "etag", "size", "md5", "file", "found", "reason"}]}

`md5` is base64 or null. An engine that fetches landings adds `file`, where one lies below the data folder if
that is not its name, and `found`, "superseded", "vanished" or "unreadable", where it could not be fetched,
the last with its `reason`. Fields may be added within a version; one that changes its meaning makes a new
version.
"""

import base64
import errno
import hashlib
import json
import stat
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from scoring.errors import ManifestError

VERSION = 1
MAX_SEGMENT = 255
"""Bytes in one part of a path, as file systems have it."""

MD5_BYTES = 16

_REASONS = {
    "superseded": "it was replaced after this run was made; its new version is another run's",
    "vanished": "it was deleted after this run was made",
    "unreadable": "storage does not give it out",
}


@dataclass(frozen=True, slots=True)
class Landing:
    """One data blob at one ETag. `file`, `found` and `reason` are set by an engine that fetched it."""

    name: str
    etag: str
    size: int
    md5: str | None = None
    file: str | None = None
    found: str | None = None
    reason: str | None = None


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
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
            raise ManifestError(f"manifest {path}: {error.strerror}") from error
        try:
            return cls._from_json(json.loads(content))
        except (ManifestError, ValueError, RecursionError) as error:
            line = " ".join(str(error).split())
            raise ManifestError(
                f"{path} is not the manifest of a run: {line}; submit the run again"
            ) from error

    @classmethod
    def _from_json(cls, document: Any) -> Self:
        if not isinstance(document, dict):
            raise ManifestError("expected an object")
        version = document.get("version")
        if type(version) is not int or version != VERSION:
            raise ManifestError(f"expected version {VERSION}, found {str(version)[:40]!r}")
        run = _text(document, "run", "the manifest")
        landings = document.get("landings")
        if not isinstance(landings, list):
            raise ManifestError("expected landings to be a list")
        manifest = cls(run, tuple(_landing(index, entry) for index, entry in enumerate(landings)))
        if len({landing.name for landing in manifest.landings}) != len(landings):
            raise ManifestError("a landing stands in it twice")
        return manifest


def locate(landing: Landing, data_root: Path) -> tuple[Path | None, str, str | None]:
    """Where a landing lies below `data_root`: its path, its status, and the reason if it is not to be read.

    Its size, and its MD5 where that is known, must be those of the manifest. Nothing outside of
    `data_root` is opened, whatever the name says and wherever links lead.
    """
    if landing.found:
        return None, landing.found, landing.reason or _REASONS[landing.found]
    try:
        return _verified(landing, data_root), "read", None
    except _NotRead as found:
        return None, found.status, found.reason
    except (FileNotFoundError, NotADirectoryError):
        return None, "vanished", "there is no such file in the data folder"
    except PermissionError:
        return None, "unreadable", "permission to read it is denied"
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENAMETOOLONG}:
            raise
        return None, "refused", f"its name cannot be opened ({error.strerror})"


class _NotRead(Exception):
    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def _verified(landing: Landing, data_root: Path) -> Path:
    relative = landing.name if landing.file is None else landing.file
    if reason := _unsafe(relative):
        raise _NotRead("refused", f"its name {reason}, so that it cannot be a file")
    path = (data_root / relative).resolve(strict=True)
    if not path.is_relative_to(data_root.resolve()):
        raise _NotRead("refused", "it is a link that leads out of the data folder")
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _NotRead("refused", "it is not a file")
    if found.st_size != landing.size:
        sizes = f"it has {found.st_size:,} bytes, not the {landing.size:,} of the manifest"
        raise _NotRead("superseded", sizes)
    if landing.md5 is not None:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()
        if digest != base64.b64decode(landing.md5):
            raise _NotRead("superseded", "its MD5 is not that of the manifest")
    return path


def _unsafe(name: str) -> str | None:
    """Why a name cannot be a path below a folder, or None where it can."""
    if any(unicodedata.category(character) == "Cc" for character in name) or "\\" in name:
        return "holds a backslash or a control character"
    for segment in name.split("/"):
        if segment in {"", ".", ".."}:
            return "is empty" if not name else "is no plain relative path"
        if len(segment.encode()) > MAX_SEGMENT:
            return f"has a part of more than {MAX_SEGMENT} bytes"
    return None


def _landing(index: int, entry: Any) -> Landing:
    where = f"landing {index}"
    if not isinstance(entry, dict):
        raise ManifestError(f"expected {where} to be an object")
    size = entry.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestError(f"expected size of {where} to be a number of bytes")
    found = _optional_text(entry, "found", where)
    if found is not None and found not in _REASONS:
        raise ManifestError(f"expected found of {where} to be one of {', '.join(_REASONS)}")
    return Landing(
        name=_text(entry, "name", where),
        etag=_text(entry, "etag", where),
        size=size,
        md5=_md5(entry, where),
        file=_optional_text(entry, "file", where),
        found=found,
        reason=_optional_text(entry, "reason", where),
    )


def _md5(entry: dict[str, Any], where: str) -> str | None:
    md5 = _optional_text(entry, "md5", where)
    with suppress(ValueError):
        if md5 is None or len(base64.b64decode(md5, validate=True)) == MD5_BYTES:
            return md5
    raise ManifestError(f"expected md5 of {where} to be {MD5_BYTES} bytes in base64")


def _text(entry: dict[str, Any], name: str, where: str) -> str:
    text = _optional_text(entry, name, where)
    if text is None:
        raise ManifestError(f"{where} lacks {name}")
    return text


def _optional_text(entry: dict[str, Any], name: str, where: str) -> str | None:
    text = entry.get(name)
    if text is None:
        return None
    if not isinstance(text, str):
        raise ManifestError(f"expected {name} of {where} to be a text")
    text.encode()  # half of a surrogate pair can stand in JSON, but in no name
    return text
