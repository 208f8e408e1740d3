"""Files that are nearly CSV as a stream of CSV in UTF-8 with the same lines.

That is: text of another encoding, lines above the header, and InfluxDB's annotated CSV.
"""

import codecs
from typing import Protocol

from scoring.errors import ReadingsError
from scoring.mapping import Mapping

_BOMS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16"} | {
    codecs.BOM_UTF16_BE: "utf-16"
}
_UTF8 = {"utf-8", "utf-8-sig", "ascii"}
_ANNOTATIONS = (b"#group,", b"#datatype,", b"#default,")
_BEFORE_HEADER = (b"#", b"sep=")
"""How lines above a header start: comments, and what Excel needs to know of a CSV file."""

_READ_BYTES = 1 << 16
_LONGEST_LINE = 1 << 20
"""A longer line is neither an annotation nor a header: it is passed on in parts."""


class ByteStream(Protocol):
    """What CSV is read from."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...  # noqa: D102


def as_csv(stream: ByteStream, start: bytes, mapping: Mapping) -> ByteStream:
    """The stream itself, or one that converts it; `start` are its first bytes."""
    known = codecs.lookup(mapping.encoding).name if mapping.encoding else ""
    if not known:
        known = next((name for bom, name in _BOMS.items() if start.startswith(bom)), "utf-8")
    if known not in _UTF8:
        return _FromHeader(_Decoded(stream, known), mapping.header)
    if start.startswith(_ANNOTATIONS):
        return _Unannotated(stream)
    first = start.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    return _FromHeader(stream, mapping.header) if mapping.header or _is_above(first) else stream


def _is_above(line: bytes) -> bool:
    return line.removeprefix(codecs.BOM_UTF8).lower().startswith(_BEFORE_HEADER)


class _Converted:
    """A stream of converted pieces."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._rest = memoryview(b"")
        self._ended = False

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._rest and not self._ended:
            piece = bytearray(_READ_BYTES)
            count = self._stream.readinto(memoryview(piece)) or 0
            self._ended = count == 0
            self._rest = memoryview(self._convert(bytes(piece[:count])))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _convert(self, piece: bytes) -> bytes:
        """The next piece, converted; the last one is empty."""
        raise NotImplementedError


class _Decoded(_Converted):
    """Text as UTF-8; what cannot be decoded stays invalid, so that its row is rejected."""

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        super().__init__(stream)
        self._encoding = encoding
        errors = "surrogatepass" if encoding.startswith("utf") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)

    def _convert(self, piece: bytes) -> bytes:
        try:
            text = self._decoder.decode(piece, final=not piece)
        except UnicodeError as error:
            raise ReadingsError(f"expected text in {self._encoding}, found it damaged ({error})") from error
        return text.encode("utf-8", "surrogatepass")


class _Lines(_Converted):
    """A stream that is converted line by line."""

    def __init__(self, stream: ByteStream) -> None:
        super().__init__(stream)
        self._line = b""

    def _convert(self, piece: bytes) -> bytes:
        lines = (self._line + piece).splitlines(keepends=True) if piece else [self._line]
        unfinished = piece and not lines[-1].endswith(b"\n") and len(lines[-1]) <= _LONGEST_LINE
        self._line = lines.pop() if unfinished else b""
        return b"".join(map(self._kept, lines))

    def _kept(self, line: bytes) -> bytes:
        """What a line becomes."""
        raise NotImplementedError


class _FromHeader(_Lines):
    """Lines above the header become blank: those before the line `header`, or comments where that is 0."""

    def __init__(self, stream: ByteStream, header: int) -> None:
        super().__init__(stream)
        self._above, self._header, self._read = True, header, 0

    def _convert(self, piece: bytes) -> bytes:
        if self._above:
            return super()._convert(piece)
        rest, self._line = self._line, b""
        return rest + piece

    def _kept(self, line: bytes) -> bytes:
        if not self._above:
            return line
        self._read += 1
        if self._read < self._header or (not self._header and (_is_above(line) or not line.strip())):
            return b"\n" if line else b""
        self._above = False
        return line


class _Unannotated(_Lines):
    """Tables of InfluxDB as one: annotations, and the headers of all but the first, become blank lines."""

    def __init__(self, stream: ByteStream) -> None:
        super().__init__(stream)
        self._header: bytes | None = None
        self._before_header = True

    def _kept(self, line: bytes) -> bytes:
        text = line.rstrip(b"\r\n")
        if text.startswith(_ANNOTATIONS):
            self._before_header = True
            return b"\n"
        if text == self._header:
            self._before_header = False
            return b"\n"
        if text and self._before_header:
            if self._header is not None:
                raise ReadingsError(
                    "expected tables with the same columns, found one with others, "
                    f"{text[:80].decode(errors='replace')!r}: export each to a file of its own"
                )
            self._header, self._before_header = text, False
        return line
