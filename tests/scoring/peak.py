"""The peak memory of a command."""

import subprocess
import sys
from pathlib import Path

import pytest

# Not resource.getrusage: for a new process it includes the parent's.
_SCRIPT = """
import sys
from pathlib import Path
from scoring.cli import main

code, *words = sys.argv[1:]
assert main(words) == int(code)
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def run_for_peak(*argv: object, code: int = 0) -> tuple[str, int]:
    """Run `python -m scoring` in a process of its own; returns its output, and its peak in megabytes.

    It has to exit with `code`.
    """
    if not Path("/proc/self/status").exists():
        pytest.skip("peak memory is read from /proc")
    command = [sys.executable, "-c", _SCRIPT, str(code), *map(str, argv)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *output, kilobytes = done.stdout.splitlines()
    return "\n".join(output), int(kilobytes) // 1024
