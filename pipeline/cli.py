"""The command line `python -m pipeline`: picks the sub-command; errors become one line and an exit code."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from pipeline.errors import EXIT_USAGE, PipelineError
from scoring import __version__

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

_INTERRUPTED = 130
_CLOSED = 141


class _Parser(argparse.ArgumentParser):
    """Tells wrong use in one line, as all errors are told."""

    def error(self, message: str) -> NoReturn:
        self.exit(_say(f"{message}; see {self.prog} --help", EXIT_USAGE))


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code: 0 done, 1 failed, 2 wrong use."""
    parser = _Parser(
        prog="python -m pipeline",
        description="From models to a published pipeline, from landings to runs. Each command has --help.",
    )
    parser.add_argument("--version", action="version", version=f"fleet-pipeline {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == wanted:  # the others' modules are not needed to run this one
            importlib.import_module(f"pipeline.commands.{name}").add_arguments(sub)
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        code: int = importlib.import_module(f"pipeline.commands.{args.command}").run(args)
        sys.stdout.flush()
    except PipelineError as error:
        return _say(error, error.exit_code)
    except (
        BrokenPipeError
    ):  # whoever reads it has read enough: nothing more is written, not at the end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED
    except OSError as error:
        return _say(error, 1)
    except KeyboardInterrupt:
        return _say("interrupted", _INTERRUPTED)
    return code


def _say(error: object, code: int) -> int:
    print("error: " + " ".join(str(error).split()), file=sys.stderr)
    return code
