"""Runs a command of `scoring` in this process, which has scikit-learn already: to import it takes seconds."""

import contextlib
import io
from dataclasses import dataclass

from scoring.cli import main

PROGRESS = ("simulating: ", "counting: ", "reading: ", "training: ", "importing: ")


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said; `err` without its progress."""

    code: int
    out: str
    err: str


def scoring(*words: object) -> Said:
    """Run `python -m scoring` with these words."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    lines = [line for line in err.getvalue().splitlines(keepends=True) if not line.startswith(PROGRESS)]
    return Said(code, out.getvalue(), "".join(lines))
