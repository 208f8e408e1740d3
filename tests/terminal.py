"""Runs a command in a terminal of 80 columns, and reconstructs what a person would see there."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

COLUMNS, ROWS = 80, 24

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b[=>78]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_COLOURED = re.compile(r"(?:^|;)(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;|$)")


def in_terminal(
    command: Sequence[str | Path], environment: Mapping[str, str], *, folder: Path | None = None
) -> tuple[int, str]:
    """Run a command with a terminal as its stdin, stdout and stderr; returns its exit code and its output."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    os.close(slave)
    written = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux reports the closed other end like this
            break
        if not part:
            break
        written += part
    os.close(master)
    return process.wait(), written.decode()


def colours(written: str) -> list[str]:
    """Control sequences that set a colour."""
    return [found for found in COLOUR.findall(written) if _COLOURED.search(found[2:-1])]


def frames(written: str) -> list[str]:
    """Every line that was ever on the screen; a redrawn line appears once per redraw."""
    return [line.rstrip() for line in re.split(r"\r\n|\r|\n", CONTROL.sub("", written)) if line.strip()]


def screen(written: str) -> list[str]:
    """The lines that remain on the screen after carriage returns, cursor movements and erasing."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b.|\r|\n|[^\x1b\r\n]+", written):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row - len(lines) + 1)
        elif part.startswith("\x1b["):
            count = int(part[2:-1]) if part[2:-1].isdigit() else 1
            if part[-1] == "A":
                row = max(0, row - count)
            elif part[-1] == "K":
                lines[row] = "" if part[2:-1] == "2" else lines[row][:column]
        elif not part.startswith("\x1b"):
            lines[row] = f"{lines[row][:column]:<{column}}{part}{lines[row][column + len(part) :]}"
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]
