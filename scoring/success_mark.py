"""`_SUCCESS`: the mark that says a folder of predictions is finished."""

from pathlib import Path

from scoring.atomic_files import write_atomically, writing
from scoring.formats import SUCCESS


def mark(out: Path) -> None:
    """Say that the folder is finished; to be called last."""
    write_atomically(out / SUCCESS, b"")


def unmark(out: Path) -> None:
    """Take the mark away: what follows is not finished.

    Raises:
        OutputError: `out` is no folder, or one that cannot be written.
    """
    mark = out / SUCCESS
    with writing(mark):
        mark.unlink(missing_ok=True)
