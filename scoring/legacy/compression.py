"""Decompresses legacy files, which joblib or another tool compressed."""

import bz2
import lzma
import re
import zlib
from collections.abc import Callable
from typing import Any

from scoring.errors import ModelError

MOST_BYTES = 64 << 20
"""Largest legacy file, also unpacked."""

_MOST_LZMA = 80 << 20
"""Memory of the unpacking itself: 65 MB for what was compressed as far as it goes."""

_FORMATS: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(31)),
    (b"x", zlib.decompressobj),
    (b"BZ", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", lambda: lzma.LZMADecompressor(memlimit=_MOST_LZMA)),
    (b"]\x00\x00", lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MOST_LZMA)),
)
"""The first bytes of each format, and its decompressor."""

_OLD_JOBLIB = re.compile(rb"ZF0x[0-9a-f]{1,16}L? *")
"""Before 0.10 joblib put the length before what zlib compressed."""


def unpacked(content: bytes) -> bytes:
    """The content of a legacy file, decompressed if necessary.

    Raises:
        ModelError: it is broken or too large.
    """
    if len(content) > MOST_BYTES:
        raise ModelError(f"is larger than {MOST_BYTES >> 20} MB")
    if old := _OLD_JOBLIB.match(content):
        content = content[old.end() :]
    for magic, maker in _FORMATS:
        if content.startswith(magic):
            return _decompressed(content, maker())
    return content


def _decompressed(content: bytes, decompressor: Any) -> bytes:
    try:
        plain: bytes = decompressor.decompress(content, MOST_BYTES + 1)
    except (zlib.error, OSError, lzma.LZMAError, EOFError, ValueError) as error:
        raise ModelError(f"is compressed, and broken ({error})") from error
    if len(plain) > MOST_BYTES:
        raise ModelError(f"unpacks to more than {MOST_BYTES >> 20} MB")
    if not decompressor.eof:
        raise ModelError("is compressed, and cut off")
    return plain
