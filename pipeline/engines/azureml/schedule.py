"""A schedule of the workspace's own, for those who want no function app.

At each of its times the workspace submits the published pipeline with all readings of the data container.
No run is written down and nothing is claimed, so every job scores everything: results are below `preds` in
a folder named like the job. Its version of the pipeline stays until the schedule is made again.
"""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.engines.azureml.jobs import Request, pipeline_job
from pipeline.engines.azureml.workspace import Workspace
from pipeline.errors import UsageError

NAME = "fleet-scoring"
RUN = "${{name}}"
"""What the service replaces with the name that it gives a job of the schedule."""

_UNITS = {"m": "minute", "h": "hour", "d": "day", "w": "week"}
_INTERVAL = re.compile(r"([1-9]\d{0,3})([mhdw])")
_CRON_FIELDS = 5


@dataclass(frozen=True, slots=True)
class Trigger:
    """When: either `every`, such as `15m`, or `cron`, five fields; in a time zone as Windows names it."""

    every: str | None = None
    cron: str | None = None
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise UsageError("a schedule needs either --every, such as 1h, or --cron, such as '0 5 * * *'")
        if self.every is not None and not _INTERVAL.fullmatch(self.every):
            raise UsageError(f"--every {self.every}: expected a number and m, h, d or w, such as 15m or 1h")
        if self.cron is not None and len(self.cron.split()) != _CRON_FIELDS:
            raise UsageError(f"--cron {self.cron!r}: expected five fields, such as '0 5 * * *'")

    def __str__(self) -> str:
        return f"every {self.every}" if self.every else f"at {self.cron!r} ({self.time_zone})"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule as the workspace knows it."""

    trigger: str
    published: str
    enabled: bool


def create(workspace: Workspace, trigger: Trigger, request: Request) -> None:
    """Create the schedule, or change the one that there is."""
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
    with workspace.asked(f"cannot create schedule {NAME!r}"):
        workspace.client.schedules.begin_create_or_update(schedule).result()


def find(workspace: Workspace) -> Scheduled | None:
    """The schedule, or None where there is none."""
    found = _get(workspace)
    if found is None:
        return None
    tags = found.tags or {}
    return Scheduled(tags.get("trigger", "?"), tags.get("published", "?"), bool(found.is_enabled))


def remove(workspace: Workspace) -> bool:
    """Remove the schedule; whether there was one. The service removes none that is enabled."""
    found = _get(workspace)
    if found is None:
        return False
    with workspace.asked(f"cannot remove schedule {NAME!r}"):
        if found.is_enabled:
            workspace.client.schedules.begin_disable(NAME).result()
        workspace.client.schedules.begin_delete(NAME).result()
    return True


def _get(workspace: Workspace) -> Any | None:
    return workspace.found(f"cannot look up schedule {NAME!r}", lambda: workspace.client.schedules.get(NAME))


def _sdk_trigger(trigger: Trigger) -> Any:
    from azure.ai.ml.entities import CronTrigger, RecurrenceTrigger

    if trigger.every is not None:
        count, unit = int(trigger.every[:-1]), _UNITS[trigger.every[-1]]
        return RecurrenceTrigger(frequency=unit, interval=count, time_zone=trigger.time_zone)
    return CronTrigger(expression=trigger.cron, time_zone=trigger.time_zone)
