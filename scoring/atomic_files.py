"""Files that are whole or not there: written beside their place, then renamed."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scoring.errors import OutputError

_LASTING = frozenset(
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
"""What is wrong with a place, and stays so; a full disk may pass."""

PARTIAL = ".partial"
"""How the name of a file ends that is not whole yet; it begins with a dot."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Tell what goes wrong with `path` in the block: it should do nothing else than to write there.

    Raises:
        OutputError: the place cannot be written, and will not be.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _LASTING:
            raise OutputError(f"cannot write {path}: {error.strerror}; choose another place") from error
        name_full(error, path)
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    There is an empty file at it already: whether the place can be written is known before the block begins,
    and what goes wrong in the block is not taken for it.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    # By chance, as steps on several machines may write to one folder, where process numbers tell nothing.
    partial = path.with_name(f".{os.urandom(8).hex()}{PARTIAL}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(exist_ok=False)
    try:
        yield partial
        with writing(path):
            partial.replace(path)
    except OSError as error:
        name_full(error, path)
        raise
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def name_full(error: OSError, path: Path) -> None:
    """Let the error of a full disk, or of a quota, say which file it kept from being written."""
    if error.errno in _FULL and error.filename is None:
        error.filename = str(path)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(content)
