"""Runs as they go on a terminal: a bar for each, how many of its steps are over, and for how long it runs."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from pipeline.terminal.tables import plain


class StepBars:
    """Bars on stderr, while it is entered; their runs in the order in which they are first shown."""

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

    def show(self, run: str, state: str, over: int, steps: int) -> None:
        """Tell how a run stands; without steps it has not begun."""
        task = self._tasks.get(run)
        if task is None:
            task = self._tasks[run] = self._bars.add_task(state, total=None, steps="")
        told = f"{over:,} of {steps:,} steps" if steps else ""
        self._bars.update(task, description=state, completed=over, total=steps or None, steps=told)

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._bars.console.print(Text(plain(line)))
