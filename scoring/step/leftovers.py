"""What an earlier scoring left in a folder of predictions, so that none of it is taken for this one's.

Steps of one run write into one folder at the same time: a step removes what is its own, and only who scores
everything, or sums up after all steps, removes what was left of others.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from scoring.atomic_files import writing
from scoring.formats import OUTCOMES_FOLDER
from scoring.keys import PREDS_PREFIX, PREDS_SUFFIX, InvalidKey, SensorKey
from scoring.step.predictions import PARTIAL_PREFIX
from scoring.step.selection import Everything, OneSensor, Selection
from scoring.success_mark import unmark

_PARTIAL_FILE = re.compile(r"\.[0-9a-f]{16}\.partial")


def begin(out: Path, selection: Selection) -> None:
    """Before a step scores: the folder is not finished, and what the step told before does not hold.

    Raises:
        OutputError: the folder cannot be written.
    """
    unmark(out)
    if isinstance(selection, Everything):
        remove_partials(out)
        for path in (out / OUTCOMES_FOLDER).glob("*.json"):
            _remove(path)
    else:
        _remove(out / OUTCOMES_FOLDER / f"{selection.step}.json")


def remove_old_predictions(out: Path, selection: Selection, written: Collection[str]) -> None:
    """After a step has scored: of the sensors that are its own, only files that it has `written` stay.

    Raises:
        OutputError: the folder cannot be written.
    """
    if isinstance(selection, OneSensor):
        if selection.key.preds_name not in written:
            _remove(out / selection.key.preds_name)
        return
    old = [name for name in _predictions(out) if name not in written]
    for name in old:
        with suppress(InvalidKey):  # named like predictions, but by nobody of us
            if selection.covers(SensorKey.from_encoded(name[len(PREDS_PREFIX) : -len(PREDS_SUFFIX)])):
                _remove(out / name)


def remove_partials(out: Path) -> None:
    """What processes that were killed had not finished writing; to be called when no step is at work.

    Raises:
        OutputError: the folder cannot be written.
    """
    for folder in (out, out / OUTCOMES_FOLDER):
        for name in _names(folder):
            if _PARTIAL_FILE.fullmatch(name):
                _remove(folder / name)
            elif name.startswith(PARTIAL_PREFIX):
                shutil.rmtree(folder / name, ignore_errors=True)


def _predictions(out: Path) -> Iterator[str]:
    return (name for name in _names(out) if name.startswith(PREDS_PREFIX) and name.endswith(PREDS_SUFFIX))


def _names(folder: Path) -> list[str]:
    # Texts: of a fleet's folder, objects for them take longer than the listing.
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208


def _remove(path: Path) -> None:
    with writing(path):
        path.unlink(missing_ok=True)
