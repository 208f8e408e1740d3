"""Environment variables of `scoring` processes: no secrets, a share of the processors, the code to run."""

import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The project's folder: `scoring` and requirements.txt are deployed side by side."""

_SHOWN = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "VIRTUAL_ENV")
_SHOWN_BEGINNINGS = ("LC_", "LD_", "DYLD_", "PYTHON")
"""The only variables that they see: a list of secrets to hide would never be complete."""


def step_environment(
    environ: Mapping[str, str], code: Path, temporary: Path, processors: int | None = None
) -> dict[str, str]:
    """The environment of a process that runs the code in `code`; its temporary files go to `temporary`.

    Scoring uses all processors that Python counts; `processors` is its share where others run beside it.
    """
    kept = {
        name: text for name, text in environ.items() if name in _SHOWN or name.startswith(_SHOWN_BEGINNINGS)
    }
    kept.pop("PYTHONSAFEPATH", None)  # a step finds its code in its working folder
    path = [str(code), *filter(None, [environ.get("PYTHONPATH")])]
    if processors is not None:
        kept["PYTHON_CPU_COUNT"] = str(processors)
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    return {**kept, **threads, "PYTHONPATH": os.pathsep.join(path), "TMPDIR": str(temporary)}
