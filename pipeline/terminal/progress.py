"""Progress bars on a terminal: one for each run, with its finished steps and elapsed time."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from scoring.printable import printable


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
