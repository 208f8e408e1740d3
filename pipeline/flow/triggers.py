"""Between the triggers of the function app and the pipeline: the shared context, ticks, names of blobs."""

import logging
import os
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pipeline.clock import as_utc
from pipeline.engines import import_sdk
from pipeline.errors import SettingsError
from pipeline.flow.context import Context
from pipeline.flow.hold import hold
from pipeline.flow.recover import conclude
from pipeline.flow.submit import Outcome, Submission, submit_deferred, submit_landing
from pipeline.runs.names import RUN_NAME
from pipeline.settings import BLOB_SOURCES, Settings, unknown, unresolved
from scoring.formats import SUCCESS

_EARLY = timedelta(seconds=2)
"""How early a tick can fire: the timer of the host and the clock differ."""

_opening = threading.Lock()

logger = logging.getLogger(__name__)


@cache
def settings() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: some are missing or wrong.
    """
    return Settings.from_environment(os.environ)


def blob_source() -> str:
    """How the blob trigger learns of blobs; the default where the setting is wrong, which each call reports.

    Decorators need it while the app is loaded. An app that does not load reports nothing: the host runs
    without functions, and only the platform's own log says why.
    """
    value = os.environ.get("SCORING_BLOB_SOURCE", "").strip()
    return value if value in BLOB_SOURCES else BLOB_SOURCES[0]


def report_settings() -> None:
    """Log what is wrong with the settings when the app is loaded."""
    try:
        settings()
    except SettingsError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message says all of it
    for problem in (*unresolved(os.environ), *unknown(os.environ)):
        logger.error("%s", problem)


def context() -> Context:
    """The context that all calls in this process share; the first call creates it."""
    with _opening:
        return _context()


@cache
def _context() -> Context:
    threading.Thread(target=import_sdk, args=(settings(),), daemon=True).start()
    return Context.open(settings())


def submit_blob(context: Context, container: str, name: str) -> Submission:
    """Score a blob, unless it is in another container; hold on through an outage of storage or the engine.

    The subscription of Event Grid decides which blobs trigger; the path of the trigger does not.
    """
    expected = context.settings.containers.data
    if container != expected:
        return Submission(
            Outcome.SKIPPED, None, f"{name!r} is in container {container!r}, not in {expected!r}"
        )
    return hold(lambda: submit_landing(context, name), context.settings.hold)


def conclude_run(context: Context, container: str, name: str) -> str:
    """Conclude the run whose `_SUCCESS` was written; returns what was done, in one line."""
    run, _, file = name.partition("/")
    if container != context.settings.containers.preds or file != SUCCESS or not RUN_NAME.fullmatch(run):
        return f"{name!r} in container {container!r} is not the end of a run"

    def concluded() -> str:
        done = conclude(context, run)
        submission = submit_deferred(context)
        return f"{done}; {submission}" if submission else done

    return hold(concluded, context.settings.hold)


def tick_of(status: Mapping[str, Any] | None, now: datetime) -> datetime:
    """The scheduled time of the tick that a timer fires for; `now` if it was started manually.

    While the function runs, `Next` in the status of the schedule is still its own tick, past due or not. For
    a manual start it is in the future. Schedules with more than one tick a minute have no status.
    """
    if status:
        tick = as_utc(datetime.fromisoformat(status["Next"]))
        if tick <= now + _EARLY:
            return tick
    return now.replace(microsecond=0)
