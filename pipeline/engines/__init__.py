"""Engines: what executes a published pipeline. Each is one line here, imported only where it is chosen."""

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
"""Import path of each engine, by its name in SCORING_ENGINE; all are made of the same three things."""


def open_engine(settings: Settings, store: "Store", runs: "Runs") -> "Engine":
    """The engine that the settings name; nothing is started or sent yet."""
    module, name = ENGINES[settings.engine].split(":")
    engine: Engine = getattr(importlib.import_module(module), name)(settings, store, runs)
    return engine
