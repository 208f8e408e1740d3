"""Files that are whole or not there: written beside their place, then renamed."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scoring.errors import OutputError

_numbers = itertools.count()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    partial = path.with_name(f".{os.getpid()}-{next(_numbers)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise OutputError(f"cannot write {path}: {error.strerror}; choose another place") from error
    finally:
        with suppress(FileNotFoundError, NotADirectoryError):
            partial.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(content)
