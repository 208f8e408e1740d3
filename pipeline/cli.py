"""The command line `python -m pipeline`: its sub-commands, and the exit code of each error."""

import logging
import sys
from collections.abc import Sequence

from pipeline.errors import EXIT_FAILED, PipelineError
from pipeline.log_lines import Distinct, keep_one_line
from scoring import __version__
from scoring.command_line import CommandLine

COMMANDS = {
    "upload": "upload readings or models, and never overwrite unasked",
    "publish": "build a pipeline from the models in storage, and use it for new runs",
    "schedule": "let Azure ML score at set times, without a function app",
    "submit": "score blobs of the data container now",
    "sweep": "do what the timer does: score unclaimed landings, recover interrupted runs",
    "runs": "list runs, newest first",
    "status": "show the state of a run and of its steps",
    "watch": "follow a run until it finishes",
    "report": "download the results of a run, and write its report",
    "download": "download the results of a run",
    "cancel": "request that a run stops",
    "doctor": "check settings, storage, models, published pipeline and engine",
    "notify": "show, replace or try the settings of notifications",
    "mute": "send no messages about some sensors for a while",
    "unmute": "end a mute before its time",
    "cleanup": "remove the results of old runs; never readings or models",
}
"""Name and one-line help of each sub-command; its module in `pipeline.commands` has the same name."""


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code: 0 done, 1 failed, 2 usage error."""
    keep_one_line()
    terminal = logging.StreamHandler(sys.stderr)
    terminal.addFilter(Distinct())
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[terminal])
    description = "Publish pipelines, submit runs and manage them. Each command has --help."
    return CommandLine("pipeline", __version__, description, COMMANDS, _explain).run(argv)


def _explain(error: Exception) -> tuple[object, int] | None:
    if isinstance(error, PipelineError):
        return error, error.exit_code
    return (error, EXIT_FAILED) if isinstance(error, OSError) else None
