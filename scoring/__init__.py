"""What one pipeline step does: readings and models in, predictions out. It does not depend on Azure.

Importing this package is cheap: the function app does it at every cold start, and a command before it can be
interrupted without a traceback. In a notebook, `score`, `train` and `read_run` take and return DataFrames.
"""

import importlib
import sys

if sys.version_info < (3, 13):  # noqa: UP036 - before anything is imported that an older one cannot import
    _need = (
        f"Python 3.13 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: run make setup "
        "in the folder of the project, and use .venv/bin/python"
    )
    if sys.argv[:1] == ["-m"]:  # python -m looks for the package: a command, not an import
        sys.exit("error: " + _need)
    raise ImportError(_need)

TYPE_CHECKING = False  # that of `typing`, whose import takes longer than the rest

if TYPE_CHECKING:
    from scoring.formats import BESIDE_MODELS
    from scoring.frames import Run, read_run, score, train
    from scoring.keys import InvalidKey, SensorKey
    from scoring.model_names import describe_others

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


_MODULES = {
    "BESIDE_MODELS": "formats",
    "InvalidKey": "keys",
    "SensorKey": "keys",
    "describe_others": "model_names",
}


def __getattr__(name: str) -> object:
    """The public names, imported when they are used."""
    if module := _MODULES.get(name):
        return getattr(importlib.import_module(f"scoring.{module}"), name)
    if name in {"Run", "read_run", "score", "train"}:
        try:
            from scoring import frames
        except ModuleNotFoundError as error:
            install = "in the folder of the project: pip install '.[scoring,train,notebooks]'"
            text = f"the package {error.name} is not installed: {install}"
            raise ModuleNotFoundError(text, name=error.name) from error
        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
