"""Files that are complete or absent: written under another name, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scoring.errors import OutputError

_PERMANENT = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
"""Errors that trying again does not fix; a full disk can be temporary."""

PARTIAL = ".partial"
"""The end of the name of an incomplete file; the name starts with a dot."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Report errors of the block as errors of `path`: the block should do nothing but write there.

    Raises:
        OutputError: the path cannot be written, and trying again does not help.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _PERMANENT:
            raise OutputError(f"cannot write {path}: {error.strerror}; choose another path") from error
        name_full_disk(error, path)
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it replaces `path` when the block succeeds.

    An empty file is created first: so a path that cannot be written fails before the block starts, and an
    error in the block is not mistaken for it.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    # A random name: steps on several machines can write to one folder, so process numbers are not unique.
    partial = path.with_name(f".{os.urandom(8).hex()}{PARTIAL}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(exist_ok=False)
    try:
        yield partial
        with writing(path):
            partial.replace(path)
    except OSError as error:
        name_full_disk(error, path)
        raise
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def name_full_disk(error: OSError, path: Path) -> None:
    """Add the file's name to the error of a full disk or a quota."""
    if error.errno in _FULL and error.filename is None:
        error.filename = str(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`, completely or not at all.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(content)
