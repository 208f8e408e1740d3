"""`_SUCCESS`: the file that marks a folder of predictions as finished."""

from pathlib import Path

from scoring.atomic_files import write_atomically, writing
from scoring.formats import SUCCESS


def mark(out: Path) -> None:
    """Mark the folder as finished; call this last."""
    write_atomically(out / SUCCESS, b"")


def unmark(out: Path) -> None:
    """Remove the mark before the folder changes.

    Raises:
        OutputError: `out` is not a folder, or cannot be written.
    """
    mark = out / SUCCESS
    with writing(mark):
        mark.unlink(missing_ok=True)
