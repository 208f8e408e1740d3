"""Installs a lock file with pip, and shows which package is downloaded and how large it is: `make setup`.

It runs before any package is installed, so it uses the standard library only. pip alone is either silent for
minutes or prints four lines per package.
"""

import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from sysconfig import get_path

_PACKAGE = re.compile(r"(?:Collecting|Processing) (?P<name>[^\s;]+)")
_FILE = re.compile(r"\s+(?:Downloading|Using cached) (?P<file>\S+) \((?P<size>[0-9.]+) (?P<unit>kB|MB|GB)\)")
_UNPACKING = "Installing collected packages"
_MB = {"kB": 0.001, "MB": 1.0, "GB": 1000.0}
_SECONDS = 5.0
"""Between two lines while pip unpacks, which it does without output."""
_LAST = 30
"""Lines of pip that are repeated if it fails: before that, they and its warnings are not shown."""
_LARGE_MB = 5.0
"""Where lines cannot be redrawn, packages from this size on have a line of their own."""


def main(lock: str) -> int:
    """Install the lock file into this interpreter's environment; returns pip's exit code."""
    command = [sys.executable, "-m", "pip", "install", "--require-hashes", "-r", lock]
    options = ["--disable-pip-version-check", "--progress-bar", "off"]
    count = len(re.findall(r"^[A-Za-z0-9][^ ]*==", Path(lock).read_text(encoding="utf-8"), re.MULTILINE))
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        assert pip.stdout is not None  # noqa: S101 - it is a pipe
        last = follow(pip.stdout, count, Display(redraws=sys.stdout.isatty()))
    if pip.returncode:
        print("".join(last), file=sys.stderr)
    return pip.returncode


class Display:
    """One line that is redrawn on a terminal; elsewhere, only lines that are worth one."""

    def __init__(self, *, redraws: bool) -> None:
        self._redraws = redraws

    def show(self, line: str, *, worth_a_line: bool) -> None:
        """Show a line."""
        if self._redraws:
            print(f"\r\033[K  {line}", end="", flush=True)
        elif worth_a_line:
            print(f"  {line}", flush=True)

    def end(self, line: str) -> None:
        """Show a line that stays."""
        print(f"\r\033[K  {line}" if self._redraws else f"  {line}", flush=True)


def follow(lines: Iterable[str], count: int, display: Display) -> Sequence[str]:
    """Show what pip does, from the lines that it prints; the lock file has `count` packages.

    Returns the last lines, which say what is wrong if it fails.
    """
    last: deque[str] = deque(maxlen=_LAST)
    number, total = 0, 0.0
    began = time.monotonic()
    unpacked = threading.Event()
    thread: threading.Thread | None = None
    for line in lines:
        last.append(line)
        if found := _FILE.match(line):
            size = float(found["size"]) * _MB[found["unit"]]
            if not found["file"].endswith(".metadata"):
                total += size
                name = "-".join(found["file"].split("-")[:2])
                display.show(
                    f"{number:,} of {count:,}  {name}, {size:,.1f} MB", worth_a_line=size >= _LARGE_MB
                )
        elif found := _PACKAGE.match(line):
            number += 1
            display.show(f"{number:,} of {count:,}  {found['name']}", worth_a_line=False)
        elif line.startswith(_UNPACKING):
            display.end(f"{number:,} packages, {total:,.0f} MB: unpacking ...")
            thread = threading.Thread(target=_show_unpacking, args=(display, number, unpacked), daemon=True)
            thread.start()
    unpacked.set()
    if thread:
        thread.join()
    display.end(f"{number:,} packages, {total:,.0f} MB, in {time.monotonic() - began:,.0f} s")
    return last


def _show_unpacking(display: Display, count: int, done: threading.Event) -> None:
    installed = _installed()
    while not done.wait(_SECONDS):
        display.show(f"unpacked {_installed() - installed:,} of {count:,} packages", worth_a_line=True)


def _installed() -> int:
    return sum(1 for _ in Path(get_path("purelib")).glob("*.dist-info"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
