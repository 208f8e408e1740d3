"""What one pipeline step does: readings and models in, predictions out. It does not depend on Azure.

Importing this package is cheap: the function app does it at every cold start. In a notebook, `score`, `train`
and `read_run` take and return DataFrames.
"""

import sys

if sys.version_info < (3, 13):  # noqa: UP036 - before anything is imported that an older one cannot import
    _need = (
        f"Python 3.13 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: run make setup "
        "in the folder of the project, and use .venv/bin/python"
    )
    if sys.argv[:1] == ["-m"]:  # python -m looks for the package: a command, not an import
        sys.exit("error: " + _need)
    raise ImportError(_need)

from typing import TYPE_CHECKING, Any

from scoring.formats import BESIDE_MODELS
from scoring.keys import InvalidKey, SensorKey
from scoring.model_names import describe_others

if TYPE_CHECKING:
    from scoring.frames import Run, read_run, score, train

__version__ = "0.1.0"

__all__ = [
    "BESIDE_MODELS",
    "InvalidKey",
    "Run",
    "SensorKey",
    "describe_others",
    "read_run",
    "score",
    "train",
]


def __getattr__(name: str) -> Any:
    """The names for notebooks, imported when they are used."""
    if name in {"Run", "read_run", "score", "train"}:
        try:
            from scoring import frames
        except ModuleNotFoundError as error:
            install = "in the folder of the project: pip install '.[scoring,train,notebooks]'"
            text = f"the package {error.name} is not installed: {install}"
            raise ModuleNotFoundError(text, name=error.name) from error
        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
