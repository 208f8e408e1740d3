"""JSON documents: checked by the types of their fields when read, one list item per line when written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoring.errors import ScoringError


@dataclass(frozen=True, slots=True)
class Document[T]:
    """A kind of document: what it is, in which version, and what to do about one that cannot be read."""

    kind: type[T]
    """A dataclass; a field of the document that it does not have is ignored."""
    version: int
    what: str
    remedy: str
    error: type[ScoringError] = ScoringError
    strict: bool = True
    """False reads numbers from texts as well: JSON has no infinity, so that is stored as "-Infinity"."""
    replace_surrogates: bool = False
    """Read half a surrogate pair, as in a damaged blob name, as "?": such a name must not fail a page."""

    def read(self, path: Path) -> T:
        """The document in a file.

        Raises:
            ScoringError: of the type `error`, in one line: it is not such a document, or of another version.
            OSError: the file cannot be read.
        """
        return self.parse(path.read_bytes(), path)

    def parse(self, content: bytes, path: Path) -> T:
        """The document with this content; `path` is what messages call it.

        Raises:
            ScoringError: of the type `error`, in one line: it is not such a document, or of another version.
        """
        import msgspec

        try:
            if self.replace_surrogates:
                content = json.dumps(json.loads(content), ensure_ascii=False).encode(errors="replace")
            version = msgspec.json.decode(content, type=_Version).version
            if version == self.version:
                return msgspec.json.decode(content, type=self.kind, strict=self.strict)
        except (ValueError, RecursionError) as error:
            line = " ".join(str(error).split())[:300]
            raise self.error(f"{path} is not {self.what}: {line}; {self.remedy}") from error
        raise self.error(f"{path}: version {version} is not {self.version}; update this project")


@dataclass(slots=True)
class _Version:
    version: int


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as people and machines read it: one list item per line.

    `json.dumps` with an indent is a loop in Python, which takes longer than the scoring of many sensors.
    """
    lines = (f"{_encode(name)}: {_value(value)}" for name, value in document.items())
    return ("{\n " + ",\n ".join(lines) + "\n}\n").encode()


def _value(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n  " + ",\n  ".join(map(_encode, value)) + "\n ]"
    return _encode(value)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
