"""The command line `python -m pipeline`: its sub-commands, and what each error means for its exit code."""

import logging
import sys
from collections.abc import Sequence

from pipeline.errors import EXIT_FAILED, PipelineError
from scoring.command_line import CommandLine

COMMANDS = {
    "publish": "make a pipeline of the models that there are, and let new runs use it",
    "schedule": "let Azure ML itself score at set times, without a function app",
    "submit": "score blobs of the data container now",
    "sweep": "do what the timer does: score what no run has claimed, mend what broke off",
    "runs": "list runs, newest first",
    "status": "show how a run and its steps stand",
    "watch": "follow a run until it is over",
    "report": "fetch what a run left, and show its report",
    "cancel": "ask a run to stop",
    "doctor": "check settings, storage, models, published pipeline and engine",
    "cleanup": "remove what old runs left; never readings or models",
}
"""Name and one-line help of each sub-command; its module in `pipeline.commands` has the same name."""


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code: 0 done, 1 failed, 2 wrong use."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    description = "From models to a published pipeline, from landings to runs. Each command has --help."
    return CommandLine("pipeline", description, COMMANDS, _explain).run(argv)


def _explain(error: Exception) -> tuple[object, int] | None:
    if isinstance(error, PipelineError):
        return error, error.exit_code
    return (error, EXIT_FAILED) if isinstance(error, OSError) else None
