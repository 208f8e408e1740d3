"""Removes what an earlier scoring left in a folder of predictions, so that it is not mistaken for this one's.

Steps of one run write into one folder at the same time: a step removes only its own files; scoring
everything, or collecting after all steps, removes those of others too.
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
from scoring.step.selection import OneSensor, Selection
from scoring.success_mark import unmark

_PARTIAL_FILE = re.compile(r"\.[0-9a-f]{16}\.partial")


def begin(out: Path, selection: Selection) -> None:
    """Before a step scores: removes the mark of a finished folder, and the step's earlier outcome.

    Raises:
        OutputError: the folder cannot be written.
    """
    unmark(out)
    remove(out / OUTCOMES_FOLDER / f"{selection.step}.json")


def remove_old_predictions(out: Path, selection: Selection, written: Collection[str]) -> None:
    """After a step has scored: removes its sensors' files but those that it has `written`.

    Raises:
        OutputError: the folder cannot be written.
    """
    if isinstance(selection, OneSensor):
        if selection.key.preds_name not in written:
            remove(out / selection.key.preds_name)
        return
    old = [name for name in predictions_in(out) if name not in written]
    for name in old:
        with suppress(InvalidKey):  # named like predictions, but not by this project
            if selection.covers(_key(name)):
                remove(out / name)


def remove_unscored_predictions(out: Path, scored: Collection[str]) -> None:
    """Remove predictions that no outcome names; call this only when no step is running.

    Raises:
        OutputError: the folder cannot be written.
    """
    for name in [name for name in predictions_in(out) if name not in scored]:
        with suppress(InvalidKey):  # named like predictions, but not by this project
            _key(name)
            if (out / name).is_file():
                remove(out / name)


def remove_partials(out: Path) -> None:
    """Removes incomplete files of killed processes; call this only when no step is running.

    Raises:
        OutputError: the folder cannot be written.
    """
    for folder in (out, out / OUTCOMES_FOLDER):
        for name in names_in(folder):
            if _PARTIAL_FILE.fullmatch(name):
                remove(folder / name)
            elif name.startswith(PARTIAL_PREFIX):
                shutil.rmtree(folder / name, ignore_errors=True)


def predictions_in(out: Path) -> Iterator[str]:
    """The names of the files of predictions in a folder."""
    return (name for name in names_in(out) if name.startswith(PREDS_PREFIX) and name.endswith(PREDS_SUFFIX))


def _key(name: str) -> SensorKey:
    return SensorKey.from_encoded(name[len(PREDS_PREFIX) : -len(PREDS_SUFFIX)])


def names_in(folder: Path) -> list[str]:
    """The names of all files in a folder; none if it does not exist."""
    # Plain texts: objects for a fleet's files take longer than the listing.
    return os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208


def remove(path: Path) -> None:
    """Remove a file if it exists.

    Raises:
        OutputError: the folder cannot be written.
    """
    with writing(path):
        path.unlink(missing_ok=True)
