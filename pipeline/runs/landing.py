"""Landings, and the manifest: which landings, and in a retry which sensors, one run scores.

The manifest is stored, and steps read it, so its format has a version. To change it: raise
`scoring.formats.MANIFEST_VERSION`, let `Manifest.from_bytes` read the old version too, and keep a
sample of it in `tests/pipeline/samples`.
"""

import json
from dataclasses import dataclass

from pipeline.json_documents import read_document, to_json
from scoring.formats import MANIFEST_VERSION


@dataclass(frozen=True, slots=True, order=True)
class Landing:
    """One data blob at one ETag: the unit that is scored exactly once."""

    name: str
    etag: str
    size: int
    md5: str | None
    """Content-MD5 in base64, if storage has it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The landings that one run scores."""

    run: str
    landings: tuple[Landing, ...]
    sensors: tuple[str, ...] | None = None
    """Encoded keys of the only sensors to score, in a try for those whose steps were lost; None for all."""
    expected: tuple[str, ...] = ()
    """Encoded keys of the sensors that the last landing like this one brought, if that is known."""

    def to_bytes(self) -> bytes:
        """The stored document: the same manifest gives the same bytes."""
        document = {"version": MANIFEST_VERSION, **to_json(self)}
        if self.sensors is None:
            del document["sensors"]
        if not self.expected:
            del document["expected"]
        return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "Manifest":
        """The manifest in `data`, which was read from `where`.

        Raises:
            RunDocumentError: it is not a manifest, or has an unknown version.
        """
        return read_document(data, cls, version=MANIFEST_VERSION, where=where, what="a manifest")


def skipped_because(name: str, size: int | None = None) -> str | None:
    """Why a blob is not a landing, or None if it is one; `size` is None if it is not known yet."""
    if not name or not is_text(name):
        return "it cannot be the name of a blob"
    if any(segment.startswith(("_", ".")) for segment in name.split("/")):
        return "a part of its name starts with '_' or '.'"
    if size == 0:
        return "it is empty"
    return None


def is_text(name: str) -> bool:
    """Whether `name` can be encoded as UTF-8: bytes of another encoding from a shell cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
