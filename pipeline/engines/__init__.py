"""Engines execute published pipelines. Each is one line here, imported only if the settings name it."""

import importlib
from typing import TYPE_CHECKING

from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.engine import Engine
    from pipeline.runs.store import Runs
    from pipeline.storage.account import Store

ENGINES = {
    "local": "pipeline.engines.local.engine:LocalEngine",
    "azureml": "pipeline.engines.azureml.engine:AzureMLEngine",
}
"""Import path of each engine, by its name in SCORING_ENGINE; all have the same three arguments."""


def import_sdk(settings: Settings) -> None:
    """Import what the first submission needs: for Azure ML, this takes longer than all its requests.

    The app calls it in a thread as it starts, so that it imports while requests to storage are waited for.
    """
    if settings.engine == "azureml":
        import azure.ai.ml
        import azure.identity  # noqa: F401


def open_engine(settings: Settings, store: "Store", runs: "Runs") -> "Engine":
    """The engine of the settings; it starts and sends nothing yet."""
    module, name = ENGINES[settings.engine].split(":")
    engine: Engine = getattr(importlib.import_module(module), name)(settings, store, runs)
    return engine
