"""What `scoring` processes see: no secrets, a share of the processors, the code to run.

Neither in their own environment nor in that of the processes that start them: a process can read the
environment that another process of its user was started with.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ScoringProcessError

ROOT = Path(__file__).parents[1]
"""The project's folder: `scoring` and requirements.txt are deployed side by side."""

_SHOWN = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "VIRTUAL_ENV")
_SHOWN_BEGINNINGS = ("LC_", "LD_", "DYLD_", "PYTHON")
"""The only variables that they see: a list of secrets to hide would never be complete."""


_LONGEST_SECONDS = 900

_SET_DUMPABLE = 4
"""`PR_SET_DUMPABLE` of Linux."""


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that every process can see."""
    return {
        name: text for name, text in environ.items() if name in _SHOWN or name.startswith(_SHOWN_BEGINNINGS)
    }


def hide_process() -> None:
    """Keep other processes of this user from reading the environment and the memory of this one.

    Linux only, and not from root with all capabilities. It ends when the process runs another program.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def step_environment(
    environ: Mapping[str, str], code: Path, temporary: Path, processors: int | None = None
) -> dict[str, str]:
    """The environment of a process that runs the code in `code`; its temporary files go to `temporary`.

    Scoring uses all processors that Python counts; `processors` is its share where others run beside it.
    """
    kept = without_secrets(environ)
    kept.pop("PYTHONSAFEPATH", None)  # a step finds its code in its working folder
    path = [str(code), *filter(None, [environ.get("PYTHONPATH")])]
    if processors is not None:
        kept["PYTHON_CPU_COUNT"] = str(processors)
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    # arrow is delivered with jemalloc and does not use it, but importing it starts its thread. A process that
    # is forked must have one thread.
    threads["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    return {**kept, **threads, "PYTHONPATH": os.pathsep.join(path), "TMPDIR": str(temporary)}


def run_scoring(*arguments: str | Path, code: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `python -m scoring` with these arguments, whose paths are absolute: its numerics stay out of here.

    Raises:
        ScoringProcessError: it cannot be started, or does not end.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-scoring-") as temporary:
        try:
            return subprocess.run(
                [sys.executable, "-m", "scoring", *map(str, arguments)],
                cwd=code,
                env=step_environment(os.environ, code, Path(temporary)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LONGEST_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ScoringProcessError(f"python -m scoring {arguments[0]} did not run: {error}") from error
