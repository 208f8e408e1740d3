"""Settings of a command line: the environment, and `local.settings.json` as `func` loads it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError
from pipeline.flow.context import Context
from pipeline.json_documents import DAMAGED, damage
from pipeline.settings import CONNECTION, Settings

LOCAL_SETTINGS = "local.settings.json"


def load_local_settings(path: Path) -> dict[str, str]:
    """The `Values` of a local.settings.json; empty if there is no such file.

    Raises:
        SettingsError: `func` could not load it.
    """
    hint = "copy local.settings.example.json"
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except DAMAGED as error:
        raise SettingsError(f"{path} is not JSON ({damage(error)}): {hint}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Values", {}), dict):
        raise SettingsError(f"{path}: expected an object with an object 'Values' in it: {hint}")
    if document.get("IsEncrypted"):
        raise SettingsError(f"{path} is encrypted: decrypt it with 'func settings decrypt'")
    values: dict[str, Any] = document.get("Values", {})
    if wrong := sorted(name for name, value in values.items() if not isinstance(value, str)):
        raise SettingsError(f"{path}: Values must be texts in quotes; these are not: {', '.join(wrong)}")
    return values


def open_context() -> Context:
    """The context of a command line. Its child processes find the same settings in their environment."""
    file = Path.cwd() / LOCAL_SETTINGS
    os.environ.update(merged(load_local_settings(file), os.environ))
    if not any(_is_connection(name) for name in os.environ) and not file.exists():
        raise SettingsError(
            f"there are no settings: neither {file} nor {CONNECTION} in the environment. Run make start in "
            f"the project's folder, or copy local.settings.example.json to {LOCAL_SETTINGS} there; and run "
            "this command in that folder"
        )
    return Context.open(Settings.from_environment(os.environ))


def merged(local: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The settings of the file, and over them those of the environment.

    A connection is one setting in two forms. Where the environment has it in either, the file's says nothing:
    a connection string that is left there from a try on one machine would win over the address in Azure.
    """
    if any(_is_connection(name) and value.strip() for name, value in environ.items()):
        local = {name: value for name, value in local.items() if not _is_connection(name)}
    return {**local, **environ}


def _is_connection(name: str) -> bool:
    return name.partition("__")[0] == CONNECTION
