"""What processes of `scoring` see of the environment: no secrets, one thread each, the code to run."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The project's folder: `scoring` and requirements.txt are deployed side by side."""

_SHOWN = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "VIRTUAL_ENV")
_SHOWN_BEGINNINGS = ("LC_", "LD_", "DYLD_", "PYTHON")
"""Variables that they see. No others: a machine keeps secrets under more names than anyone can list."""


def step_environment(environ: Mapping[str, str], code: Path, temporary: Path) -> dict[str, str]:
    """The environment of a process that runs the code in `code` and leaves what it needs for a while."""
    kept = {
        name: text for name, text in environ.items() if name in _SHOWN or name.startswith(_SHOWN_BEGINNINGS)
    }
    kept.pop("PYTHONSAFEPATH", None)  # the folder that a step runs in is where its code is
    path = [str(code), *filter(None, [environ.get("PYTHONPATH")])]
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return {**kept, **threads, "PYTHONPATH": os.pathsep.join(path), "TMPDIR": str(temporary)}
