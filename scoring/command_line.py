"""The frame of a command line with sub-commands; errors become one line and an exit code.

Both packages build their command lines with it: `python -m scoring` and `python -m pipeline`.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from scoring.interrupts import EXIT_INTERRUPTED, raise_on_interrupt
from scoring.printable import printable

EXIT_USAGE = 2
EXIT_PIPE_CLOSED = 141

_EXTRAS = {"scoring": "scoring,train", "pipeline": "pipeline"}
"""What to install for the commands of a package."""


class _Parser(argparse.ArgumentParser):
    """Reports usage errors in one line, as all errors are reported."""

    def error(self, message: str) -> NoReturn:
        self.exit(_fail(f"{message}; see {self.prog} --help", EXIT_USAGE))


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command line `python -m PACKAGE`."""

    package: str
    version: str
    description: str
    commands: Mapping[str, str]
    """Name and one-line help of each sub-command; its module is `PACKAGE.commands.NAME`."""
    explain: Callable[[Exception], tuple[object, int] | None]
    """Message and exit code for an exception; None for a bug, which is raised."""

    def run(self, argv: Sequence[str]) -> int:
        """Run one command line; returns its exit code."""
        if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
            sys.stdout.reconfigure(errors="backslashreplace")  # a path can hold what a terminal cannot show
        try:
            args = self._parser(argv).parse_args(argv)
            command = importlib.import_module(self._module(args.command))
            raise_on_interrupt()
            code: int = command.run(args)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe: write nothing more, not even at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_PIPE_CLOSED
        except KeyboardInterrupt:
            keep_exit_code()
            return _fail("interrupted", EXIT_INTERRUPTED)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in {"", "scoring", "pipeline"}:
                raise
            return _fail(
                f"the package {missing} is not installed for {sys.executable}: run make setup and use "
                f".venv/bin/python, or in the folder of the project pip install '.[{_EXTRAS[self.package]}]'",
                EXIT_USAGE,
            )
        except Exception as error:
            explained = self.explain(error)
            if explained is None:
                raise
            return _fail(*explained)
        return code

    def _parser(self, argv: Sequence[str]) -> argparse.ArgumentParser:
        parser = _Parser(prog=f"python -m {self.package}", description=self.description)
        version = f"fleet-{self.package} {self.version}"
        parser.add_argument("--version", action="version", version=version)
        commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
        wanted = next((word for word in argv if not word.startswith("-")), None)
        for name, summary in self.commands.items():
            sub = commands.add_parser(
                name,
                help=summary,
                description=f"{summary[0].upper()}{summary[1:]}.",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
            if name == wanted:  # the modules of the others are not needed to run this one
                importlib.import_module(self._module(name)).add_arguments(sub)
        return parser

    def _module(self, command: str) -> str:
        return f"{self.package}.commands.{command.replace('-', '_')}"


def keep_exit_code() -> None:
    """After an interrupt that was caught: let this process end with its own exit code.

    If the interrupt came while Python ran code from a text, as the import of a dataclass does, `python -m`
    ends by SIGINT and not with its exit code, unless it has run another text since.
    """
    eval("None")  # noqa: S307 - a constant


def _fail(error: object, code: int) -> int:
    print("error: " + printable(" ".join(str(error).split())), file=sys.stderr)
    return code
