"""A fleet with the engine of a name, for tests that every engine has to pass."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.clock import utc_now
from pipeline.flow.context import Context
from pipeline.flow.recover import recover
from pipeline.flow.status import view_run
from pipeline.pages.index import update_index
from pipeline.runs.record import RunState
from pipeline.runs.store import Runs
from pipeline.settings import Settings
from pipeline.storage.account import Store
from tests.pipeline.conftest import Fleet, until

QUICK = {"SCORING_LOCAL_PROCESSES": "2", "SCORING_STEP_TRIES": "1"}


def open_fleet(name: str, environment: dict[str, str], machine: Path, code: Path | None) -> Fleet:
    """A fleet with the engine of this name; `code` is what steps run, or the project's own."""
    settings = Settings.from_environment(
        {**environment, **QUICK, "SCORING_ENGINE": name, "AZUREML_COMPUTE": "cpu-cluster"}
    )
    store = Store.connect(settings)
    runs = Runs(store, utc_now)
    more: dict[str, Any] = {} if code is None else {"code": code}
    engine: Any
    if name == "local":
        from pipeline.engines.local.engine import LocalEngine

        engine = LocalEngine(settings, store, runs, folder=machine, **more)
    else:
        from pipeline.engines.azureml.engine import AzureMLEngine

        engine = AzureMLEngine(settings, store, runs, **more)
        engine.set_up()
    return Fleet(Context(settings, store, engine, utc_now), engine)


def finish(fleet: Fleet, run: str) -> RunState:
    """Follow a run to its end as `watch` does, and let a sweep conclude it; returns how it ended."""
    until(lambda: view_run(fleet.context, run).state.final)
    if not fleet.context.runs.load(run).state.final:
        recover(fleet.context, datetime.now(UTC))
    update_index(fleet.context.store, fleet.context.settings.late_sweep, fleet.context.clock())
    return fleet.context.runs.load(run).state
