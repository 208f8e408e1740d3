"""The command line `python -m scoring`: its sub-commands, and what each error means for its exit code."""

import sys
import warnings
from collections.abc import Sequence

from scoring import __version__
from scoring.command_line import CommandLine
from scoring.errors import EXIT_FAILED, EXIT_RETRY, EXIT_USAGE, ScoringError, UsageError

COMMANDS = {
    "score": "score readings with the models of their sensors",
    "collect": "sum up the results of a run's steps, and mark it as finished",
    "report": "show the results of a run as one page that needs no server",
    "fleet": "show every sensor of a fleet over days on one page",
    "pack": "pack a folder of models into one file that loads fast",
    "import-models": "convert legacy pickles to .skops models without running their code",
    "train": "train a model per sensor from readings",
    "inspect": "show what is in files of readings, and how they can be read",
    "simulate": "generate a fleet's readings, with labelled anomalies",
    "aggregate": "mean per sensor and time window from raw readings",
}
"""Name and one-line help of each sub-command; its module in `scoring.commands` has the same name."""


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns its exit code (see `scoring.errors`)."""
    line = CommandLine(
        "scoring",
        __version__,
        "Readings and models in, predictions out. Each command has its own --help.",
        COMMANDS,
        _explain,
    )
    with warnings.catch_warnings():
        if not sys.warnoptions:  # their warnings are for people who train models
            warnings.filterwarnings("ignore", module=r"(joblib|scipy|skops|sklearn)\b")
        return line.run(argv)


def _explain(error: Exception) -> tuple[object, int] | None:
    if isinstance(error, UsageError):
        return error, EXIT_USAGE
    if isinstance(error, ScoringError):
        return error, EXIT_FAILED
    if isinstance(error, OSError):
        named = error.filename is not None and error.strerror
        return f"{error.filename}: {error.strerror}" if named else error, EXIT_RETRY
    if isinstance(error, MemoryError):
        return "out of memory: give this step more memory, or use more shards", EXIT_RETRY
    return None
