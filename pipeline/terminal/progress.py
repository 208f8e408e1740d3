"""Progress bars on a terminal: one for each run, with its finished steps, and one for a transfer of files."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from pipeline.terminal.tables import format_seconds, is_interactive
from scoring.printable import printable


@contextmanager
def transfer(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show the progress of a transfer of `total` bytes on stderr; call the result with the size of each part.

    On a terminal that can redraw a line, this is a bar; elsewhere one plain line at the start and one at the
    end.
    """
    if is_interactive():
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda size: bar.advance(task, size)
        return
    began = time.monotonic()
    print(f"{what}, {_megabytes(total)} ...", file=sys.stderr, flush=True)
    yield lambda _: None
    took = format_seconds(time.monotonic() - began)
    print(f"{what}, {_megabytes(total)}: done in {took}", file=sys.stderr, flush=True)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


class StepBars:
    """Context manager that shows bars on stderr, in the order in which runs are first shown."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description:<9}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[steps]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            expand=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, run: str, state: str, finished: int, steps: int) -> None:
        """Show the state of a run; without steps, it has not started."""
        task = self._tasks.get(run)
        if task is None:
            task = self._tasks[run] = self._bars.add_task(state, total=None, steps="")
        progress = f"{finished:,} of {steps:,} steps" if steps else ""
        self._bars.update(task, description=state, completed=finished, total=steps or None, steps=progress)

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(Text(printable(line)))
