"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """Report that `count` more units are done."""

    def __call__(self, count: int = 1) -> None: ...  # noqa: D102


@contextmanager
def progress(what: str, total: int, unit: str) -> Iterator[Advance]:
    """Show the progress of `what` on stderr.

    On a terminal that can redraw a line, this is a bar; elsewhere one plain line at the start and one at the
    end. `unit` is a plural.
    """
    unit = unit.removesuffix("s") if total == 1 else unit
    if not sys.stderr.isatty() or os.environ.get("TERM") in {"dumb", "unknown"}:
        print(f"{what}: {total:,} {unit} ...", file=sys.stderr, flush=True)
        done = 0

        def count_up(count: int = 1) -> None:
            nonlocal done
            done += count

        yield count_up
        print(f"{what}: {done:,} of {total:,} {unit} done", file=sys.stderr, flush=True)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn(f"{{task.completed:,.0f}} of {total:,} {unit}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(count: int = 1) -> None:
            bar.advance(task, count)

        yield advance
