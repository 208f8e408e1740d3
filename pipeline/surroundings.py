"""Where a command line finds its settings: the environment, and `local.settings.json` as `func` loads it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.context import Context
from pipeline.documents import DAMAGED, damage
from pipeline.errors import SettingsError
from pipeline.settings import Settings

LOCAL_SETTINGS = "local.settings.json"


def environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """`environ`, and beneath it the values of the folder's local.settings.json, if there is one.

    Raises:
        SettingsError: that file is not what `func` would load.
    """
    path = folder / LOCAL_SETTINGS
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        values = {str(name): str(value) for name, value in document["Values"].items()}
    except FileNotFoundError:
        values = {}
    except DAMAGED as error:
        raise SettingsError(
            f"{path} cannot be read ({damage(error)}): expected a JSON object with an object 'Values'; "
            "copy local.settings.example.json"
        ) from error
    return values | dict(environ)


def open_context() -> Context:
    """The context of a command line. What it starts finds the same settings in its environment."""
    os.environ.update(environment(os.environ, Path.cwd()))
    return Context.open(Settings.from_environment(os.environ))
