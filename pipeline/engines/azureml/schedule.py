"""A schedule of the workspace, for scoring without a function app.

At each of its times the workspace submits the published pipeline with all readings of the data container.
There is no run record and no claim, so every job scores everything: its results are in the preds container,
in a folder that has the name of the job. The schedule keeps its pipeline version until it is created again.
"""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.engines.azureml.jobs import Request, pipeline_job
from pipeline.engines.azureml.workspace import Workspace
from pipeline.errors import InvalidRequest

NAME = "fleet-scoring"
RUN = "${{name}}"
"""Placeholder that the service replaces with the name of each job of the schedule."""

_UNITS = {"m": "minute", "h": "hour", "d": "day", "w": "week"}
_INTERVAL = re.compile(r"([1-9]\d{0,3})([mhdw])")
_VALUE = r"(?:\d{1,2}|[A-Za-z]{3})"
_PART = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d+)?"
_LIST = rf"{_PART}(?:,{_PART})*"
_CRON = re.compile(rf"(?P<minute>{_LIST}) (?P<hour>{_LIST}) (?P<day>\S+) (?P<month>\S+) (?P<weekday>{_LIST})")


@dataclass(frozen=True, slots=True)
class Trigger:
    """When: either `every`, such as `15m`, or `cron`, five fields; in a Windows time zone."""

    every: str | None = None
    cron: str | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise InvalidRequest("a schedule needs --every, such as 1h, or --cron, such as '0 5 * * *'")
        if self.every is not None and not _INTERVAL.fullmatch(self.every):
            raise InvalidRequest(f"--every {self.every}: expected a number and m, h, d or w, such as 15m")
        if self.cron is not None:
            _check_cron(self.cron)

    def __str__(self) -> str:
        return f"every {self.every}" if self.every else f"at {self.cron!r} ({self.time_zone})"


def _check_cron(text: str) -> None:
    """Refuse an expression that Azure ML rejects or reads differently."""
    found = _CRON.fullmatch(" ".join(text.split()))
    if not found:
        raise InvalidRequest(
            f"--cron {text!r}: expected five fields (minute hour day month weekday), such as '0 5 * * *'"
        )
    if (found["day"], found["month"]) != ("*", "*"):
        daily = f"{found['minute']} {found['hour']} * * {found['weekday']}"
        raise InvalidRequest(
            f"--cron {text!r}: Azure ML ignores day and month, and would run this as {daily!r}: write that, "
            "or name days of the week in the last field, or use --every, such as 4w"
        )


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule as the workspace knows it."""

    trigger: str
    published: str
    enabled: bool


def create(workspace: Workspace, trigger: Trigger, request: Request) -> None:
    """Create the schedule, or change the existing one."""
    from azure.ai.ml.entities import JobSchedule

    job = pipeline_job(workspace, request)
    job.name = None  # the service names each job of a schedule
    schedule = JobSchedule(
        name=NAME,
        display_name="Score a fleet",
        trigger=_sdk_trigger(trigger),
        create_job=job,
        tags={"trigger": str(trigger), "published": request.tags["published"]},
    )
    with workspace.translated(f"cannot create schedule {NAME!r}"):
        workspace.client.schedules.begin_create_or_update(schedule).result()


def find(workspace: Workspace) -> Scheduled | None:
    """The schedule, or None if there is none."""
    found = _get(workspace)
    if found is None:
        return None
    tags = found.tags or {}
    return Scheduled(tags.get("trigger", "?"), tags.get("published", "?"), bool(found.is_enabled))


def remove(workspace: Workspace) -> bool:
    """Remove the schedule; returns whether there was one. The service removes only disabled ones."""
    found = _get(workspace)
    if found is None:
        return False
    with workspace.translated(f"cannot remove schedule {NAME!r}"):
        if found.is_enabled:
            workspace.client.schedules.begin_disable(NAME).result()
        workspace.client.schedules.begin_delete(NAME).result()
    return True


def _get(workspace: Workspace) -> Any | None:
    return workspace.find(f"cannot look up schedule {NAME!r}", lambda: workspace.client.schedules.get(NAME))


def _sdk_trigger(trigger: Trigger) -> Any:
    from azure.ai.ml.entities import CronTrigger, RecurrenceTrigger

    if trigger.every is not None:
        count, unit = int(trigger.every[:-1]), _UNITS[trigger.every[-1]]
        return RecurrenceTrigger(frequency=unit, interval=count, time_zone=trigger.time_zone)
    return CronTrigger(expression=trigger.cron, time_zone=trigger.time_zone)
