"""Schedules: created, listed, disabled and deleted. No clock runs: `fire` stands for a scheduled time.

Of a cron expression the service uses minute, hour and day of the week: "day and month are ignored".
"""

import copy
from datetime import datetime
from typing import Any

from dev.azureml.answers import Answer, Call, Refusal, bad_argument, resource
from dev.azureml.expressions import resolved
from dev.azureml.jobs import Job, Jobs
from dev.azureml.workspace import Workspace

FREQUENCIES = frozenset({"Minute", "Hour", "Day", "Week", "Month"})
CRON_FIELDS = 5


class Schedules:
    """Handlers of schedules."""

    def __init__(self, workspace: Workspace, jobs: Jobs) -> None:
        self.workspace = workspace
        self.jobs = jobs
        self.fired = 0

    def put(self, call: Call) -> Answer:
        """Create or update a schedule; its job is checked like a submitted one."""
        sent = call.body.get("properties", {})
        action = sent.get("action", {})
        if action.get("actionType") != "CreateJob":
            raise bad_argument("This emulator supports only schedules that create jobs.")
        job = action.get("jobDefinition") or {}
        if job.get("jobType") != "Pipeline" or job.get("name"):
            raise bad_argument("A schedule's job is a pipeline job without a name.")
        with self.workspace.lock:
            self.jobs.checked(job)
            _check_trigger(sent.get("trigger") or {})
            status = 200 if call.path in self.workspace.resources else 201
            properties = {"isEnabled": True, **sent, "provisioningState": "Succeeded"}
            body = resource(call.path, call.names["name"], "schedules", properties)
            self.workspace.resources[call.path] = body
        return Answer(status, body)

    def delete(self, call: Call) -> Answer:
        """Remove a disabled schedule."""
        with self.workspace.lock:
            found = self.workspace.resources.get(call.path)
            if found is None:
                return Answer(204, None)
            if found["properties"]["isEnabled"]:
                raise bad_argument("The schedule is enabled: disable it before it is deleted.")
            del self.workspace.resources[call.path]
        return Answer(200, None)

    def times(self, name: str, after: datetime, count: int) -> list[datetime]:
        """The next times of a schedule with a cron expression, as the service understands it."""
        from croniter import croniter

        expression = str(self._find(name)["properties"]["trigger"]["expression"])
        minute, hour, _, _, weekday = expression.split()
        times = croniter(f"{minute} {hour} * * {weekday}", after)
        return [times.get_next(datetime) for _ in range(count)]

    def fire(self, name: str) -> Job:
        """Submit the schedule's job as the service does at one of its times."""
        found = self._find(name)
        with self.workspace.lock:
            self.fired += 1
            run = f"{name}-20261123T0{self.fired:03}"
            properties: dict[str, Any] = self.jobs.checked(
                copy.deepcopy(found["properties"]["action"]["jobDefinition"])
            )
            for value in properties.get("inputs", {}).values():
                if value.get("jobInputType") == "literal":
                    value["value"] = resolved(value["value"], {"name": run})
            job = self.jobs.jobs[run] = Job(run, properties)
        self.jobs.start(job)
        return job

    def _find(self, name: str) -> dict[str, Any]:
        missing = Refusal(404, "UserError", f"Schedule {name} was not found.", "NotFound", "Schedule")
        return self.workspace.find(self.workspace.id("schedules", name), missing)


def _check_trigger(trigger: dict[str, Any]) -> None:
    kind = trigger.get("triggerType")
    if kind == "Cron" and len(str(trigger.get("expression", "")).split()) == CRON_FIELDS:
        return
    if (
        kind == "Recurrence"
        and str(trigger.get("frequency")).capitalize() in FREQUENCIES
        and int(trigger.get("interval", 0)) > 0
    ):
        return
    raise bad_argument(f"{trigger} is not a trigger.")
