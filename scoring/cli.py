"""The command line `python -m scoring`: picks the sub-command; errors become one line and an exit code."""

import argparse
import importlib
import io
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from scoring import __version__
from scoring.errors import EXIT_FAILED, EXIT_RETRY, EXIT_USAGE, ScoringError, UsageError

COMMANDS = {
    "score": "score readings with the models of their sensors",
    "collect": "sum up what the steps of a run left, and mark it as finished",
    "report": "show what a run found as one page that needs no server",
    "index": "list runs on one page",
    "pack": "put a folder of models into one file that loads fast",
    "import-models": "turn legacy pickles into .skops models, running nothing of them",
    "train": "train a model per sensor from readings",
    "simulate": "make a fleet's readings, with labelled anomalies",
    "aggregate": "mean per sensor and time window from raw readings",
}
"""Name and one-line help of each sub-command; its module in `scoring.commands` has the same name."""


class _Parser(argparse.ArgumentParser):
    """Tells wrong use in one line, as all errors are told."""

    def error(self, message: str) -> NoReturn:
        self.exit(_say(f"{message}; see {self.prog} --help", EXIT_USAGE))


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code (see `scoring.errors`)."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what a terminal cannot show
    with warnings.catch_warnings():
        if not sys.warnoptions:  # their warnings are for who trains a model, and name files of theirs
            warnings.filterwarnings("ignore", module=r"(joblib|scipy|skops|sklearn)\b")
        return _run(argv)


def _run(argv: Sequence[str]) -> int:
    parser = _Parser(
        prog="python -m scoring",
        description="Readings and models in, predictions out. Each command has its own --help.",
    )
    parser.add_argument("--version", action="version", version=f"fleet-scoring {__version__}")
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
            importlib.import_module(_module(name)).add_arguments(sub)
    args = parser.parse_args(argv)
    try:
        code: int = importlib.import_module(_module(args.command)).run(args)
    except UsageError as error:
        return _say(error, EXIT_USAGE)
    except ScoringError as error:
        return _say(error, EXIT_FAILED)
    except OSError as error:
        return _say(error, EXIT_RETRY)
    except MemoryError:
        return _say("out of memory: give this step more memory, or use more shards", EXIT_RETRY)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    return code


def _module(command: str) -> str:
    return f"scoring.commands.{command.replace('-', '_')}"


def _say(error: object, code: int) -> int:
    line = " ".join(str(error).split())
    print(f"error: {line}", file=sys.stderr)
    return code
