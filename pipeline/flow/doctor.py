"""Checks all that a run needs: each check has a result, and what to do if it failed."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.errors import ContainerMissing, PipelineError
from pipeline.flow.context import Context
from pipeline.runs.last import last_sweep
from pipeline.settings import unknown, unresolved
from scoring.printable import counted

_HOST_STORAGE = "AzureWebJobsStorage"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    what: str
    good: bool
    found: str
    """What was found, and what to do if it is not good; one line."""


def examine(context: Context) -> Iterator[CheckResult]:
    """Run all checks, in the order in which to fix problems; stops if storage does not respond."""
    settings = context.settings
    how = "a connection string" if settings.connection.connection_string else "an identity"
    used = f"engine {settings.engine}, schedule {settings.schedule}, storage {context.store.address} by {how}"
    misspelt = unknown(os.environ)
    yield CheckResult("settings", good=not misspelt, found="; ".join([used, *misspelt]))
    if any(name.startswith(_HOST_STORAGE) for name in os.environ):  # the settings are those of a function app
        problems = unresolved(os.environ)
        yield CheckResult(
            "triggers", good=not problems, found="; ".join(problems) or "their settings have values"
        )
    reachable = True
    for what, container in (
        ("data", context.store.data),
        ("models", context.store.models),
        ("preds", context.store.preds),
        ("runs", context.store.runs),
    ):
        try:
            container.exists("doctor")
        except ContainerMissing:
            reachable = False
            fix = f"create it, or set SCORING_{what.upper()}_CONTAINER"
            yield CheckResult(f"container {what}", good=False, found=f"{container.name!r} is missing: {fix}")
        except PipelineError as error:
            yield CheckResult("storage", good=False, found=str(error))
            return
        else:
            yield CheckResult(
                f"container {what}", good=True, found=f"{container.name!r} in {context.store.address}"
            )
    if reachable:
        yield _checked("models", lambda: _models(context))
        yield _checked("published pipeline", lambda: _published(context))
        yield _checked("engine", lambda: _engine(context))
        yield _checked("runs", lambda: _runs(context))
        yield _checked("last sweep", lambda: _last_sweep(context))
        yield _checked("notifications", lambda: _notifications(context))


def _checked(what: str, look: Callable[[], tuple[bool, str]]) -> CheckResult:
    try:
        good, found = look()
    except PipelineError as error:
        return CheckResult(what, good=False, found=str(error))
    return CheckResult(what, good=good, found=found)


def _models(context: Context) -> tuple[bool, str]:
    from pipeline.published.publish import find_fleet

    fleet = find_fleet(context.store)
    if missing := fleet.missing:
        return False, missing
    return True, "; ".join([f"{len(fleet.keys):,}", *fleet.notes])


def _published(context: Context) -> tuple[bool, str]:
    from pipeline.published.publish import find_fleet, prepare

    published = context.published()
    documents = prepare(context.settings, find_fleet(context.store), context.engine)
    if published.version != documents.version:
        found = f"{published.version} does not fit the models, or the settings of this terminal"
        return False, f"{found}: check them, such as SCORING_MAPPING, and run python -m pipeline publish"
    return True, f"{published.version}, {counted(published.steps, 'step')}"


def _engine(context: Context) -> tuple[bool, str]:
    if context.settings.engine == "local":
        return True, f"local, {counted(context.settings.local_processes, 'step')} at once on this machine"
    from pipeline.engines.azureml.engine import AzureMLEngine
    from pipeline.engines.azureml.setup import check

    engine = AzureMLEngine(context.settings, context.store, context.runs)
    check(engine.workspace, engine.datastores)
    return True, f"azureml, workspace {engine.workspace.where.workspace}"


def _runs(context: Context) -> tuple[bool, str]:
    markers = context.runs.markers.all()
    failed = sum(marker.failed for marker in markers)
    active = f"{len(markers) - failed:,} active of {context.settings.max_active_runs:,} at most"
    return True, f"{active}, {counted(failed, 'failed run')} that the next sweep retries"


def _last_sweep(context: Context) -> tuple[bool, str]:
    found, now = last_sweep(context.store.runs, context.settings.late_sweep), context.clock()
    return not found.is_late(now), found.sentence(now)


def _notifications(context: Context) -> tuple[bool, str]:
    from pipeline.notify.check import summarize_delivery

    return summarize_delivery(context.store, context.settings, context.clock())
