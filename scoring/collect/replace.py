"""Replaces the results in a folder as a whole, once the new ones are complete.

New results are written to a hidden folder below. Until they are complete the earlier ones stay; while they
are exchanged the folder has neither `_SUCCESS` nor a summary, so a mix of both never looks like a result.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scoring.atomic_files import writing
from scoring.errors import OutputError
from scoring.formats import OUTCOMES_FOLDER, SUCCESS, SUMMARY_JSON
from scoring.step.leftovers import names_in, predictions_in, remove, remove_old_predictions, remove_partials
from scoring.step.predictions import PARTIAL_PREFIX
from scoring.step.selection import Everything
from scoring.success_mark import mark, unmark

_EVERYTHING = Everything()


@contextmanager
def new_results(out: Path) -> Iterator[Path]:
    """A hidden folder below `out`, created if missing, for new results; removed when the block ends.

    Raises:
        OutputError: `out` cannot be written, or another process has new results for it.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    with _alone_in(out):
        remove_partials(out)
        folder = out / f"{PARTIAL_PREFIX}{_EVERYTHING.step}"
        try:
            with writing(out):
                folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """Lock the folder: two that replace its results at once would leave neither."""
    with writing(out):
        handle = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # any other one: the file system has no locks
        if error.errno == errno.EWOULDBLOCK:
            os.close(handle)
            why = "another command is writing its results there; wait for it, or choose another path"
            raise OutputError(f"cannot write {out}: {why}") from error
    try:
        yield
    finally:
        os.close(handle)


def replace_results(out: Path, new: Path) -> bool:
    """Move the finished results in `new` to `out`, in place of those there; returns whether it did.

    A run that has scored nothing does not replace predictions of a finished one.

    Raises:
        OutputError: `out` cannot be written.
    """
    if not any(predictions_in(new)) and (out / SUCCESS).exists() and any(predictions_in(out)):
        return False
    files = [name for name in names_in(new) if name not in {OUTCOMES_FOLDER, SUMMARY_JSON, SUCCESS}]
    _require_no_folders(out, {*files, SUMMARY_JSON})
    unmark(out)
    for path in (out / SUMMARY_JSON, *(out / OUTCOMES_FOLDER).glob("*.json")):
        remove(path)
    remove_old_predictions(out, _EVERYTHING, set(files))
    with writing(out):
        (out / OUTCOMES_FOLDER).mkdir(exist_ok=True)
    for name in (*files, f"{OUTCOMES_FOLDER}/{_EVERYTHING.step}.json", SUMMARY_JSON):
        with writing(out / name):
            os.replace(f"{new}/{name}", f"{out}/{name}")  # noqa: PTH105 - plain texts, as in PredictionFiles
    mark(out)
    return True


def _require_no_folders(out: Path, files: set[str]) -> None:
    """Check that each file can be moved to `out`, before anything there changes."""
    with os.scandir(out) as entries:
        for entry in entries:
            if entry.name in files and entry.is_dir(follow_symlinks=False):
                raise OutputError(f"cannot write {entry.path}: it is a folder; choose another path")
