"""Runs by the short names that people type: a whole name, the start of one, or `latest`.

A whole name costs one request, the start of a name one more: a listing of the names that begin with it. No
run is listed beyond those.
"""

from itertools import islice

from pipeline.errors import InvalidRequest, UnknownRun
from pipeline.runs.names import LATEST, RESERVED, RUN_NAME
from pipeline.runs.store import Runs

_SHOWN = 5
"""Runs that a message names."""


def find_run(runs: Runs, text: str) -> str:
    """The name of the run that `text` names.

    Raises:
        UnknownRun: there is no such run.
        InvalidRequest: several runs have names that start with it; the message lists them.
    """
    if text == LATEST:
        for row in runs.newest_rows(1):
            return str(row["run"])
        raise UnknownRun(f"there are no runs in container {runs.store.runs.name!r} yet")
    if not RUN_NAME.fullmatch(text) or runs.exists(text):
        return text  # loading it says what is wrong with it
    listed = runs.store.runs.list_folder(text, page=_SHOWN + len(RESERVED) + 1)
    folders = (name.rstrip("/") for name in listed if isinstance(name, str))
    found = list(islice((name for name in folders if name not in RESERVED), _SHOWN + 1))
    if len(found) > 1:
        more = ", ..." if len(found) > _SHOWN else ""
        raise InvalidRequest(f"several runs start with {text!r}: {', '.join(found[:_SHOWN])}{more}")
    return found[0] if found else text
