"""Runs a command of `scoring` in this process, where scikit-learn is imported only once."""

import contextlib
import io
from dataclasses import dataclass

from scoring.cli import main

PROGRESS = ("inspecting: ", "simulating: ", "counting: ", "reading: ", "training: ", "importing: ")


@dataclass(frozen=True)
class CommandResult:
    """The exit code and output of a command; `err` without its progress."""

    code: int
    out: str
    err: str


def scoring(*arguments: object) -> CommandResult:
    """Run `python -m scoring` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    lines = [line for line in err.getvalue().splitlines(keepends=True) if not line.startswith(PROGRESS)]
    return CommandResult(code, out.getvalue(), "".join(lines))
