"""The format of a pack: its version, its columns, and the digest that binds parameters to their file.

Each row names its file with size, times, SHA-256 and MD5, and holds the parameters of the model with a
SHA-256 of their own. A file that was refused has none.

Stored, so it has a version: raise `VERSION` with any change of `SCHEMA`, of `encoding` or of `parameters`;
other versions are not used.
"""

import hashlib
import os
from pathlib import Path

import pyarrow as pa

from scoring.models.encoding import MOST_FORM, Content

VERSION = b"4"
VERSION_KEY = b"fleet-scoring-pack"

SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "size": pa.int64(),
        "mtime": pa.int64(),  # nanoseconds, as stat gives them
        "ctime": pa.int64(),
        "sha256": pa.string(),  # of the file
        "md5": pa.string(),  # of the file, in base64, as storage has it
        "form": pa.string(),  # empty where the file was refused
        "numbers": pa.binary(),
        "digest": pa.string(),  # of file, sha256, md5, form and numbers: that they belong together
    },
    metadata={VERSION_KEY: VERSION},
)
TEXTS = ("file", "sha256", "md5", "form", "numbers", "digest")
STAT = ("size", "mtime", "ctime")

GROUP_BYTES = 8 << 20
"""A group of rows is read at once, when one of its models is asked for; its last row can go beyond."""
LONGEST = {"file": 255, "sha256": 64, "md5": 24, "digest": 64, "form": MOST_FORM}
"""The longest text of each column, in characters."""


def digest_of(file: str, sha256: str, md5: str, form: str, numbers: Content) -> str:
    """What a row has as `digest`."""
    digest = hashlib.sha256(f"{file}\n{sha256}\n{md5}\n{form}\n".encode())
    digest.update(numbers)
    return digest.hexdigest()


def stat_of(file: Path | os.DirEntry[str]) -> tuple[int, int, int]:
    """What a row has in the columns `STAT`."""
    try:
        stat = file.stat()
    except OSError:  # removed meanwhile, or a link that leads nowhere: reading it says what is wrong
        return -1, -1, -1
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
