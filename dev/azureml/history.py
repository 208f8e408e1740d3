"""Run history: states of a job's steps, and their logs."""

from typing import Any

from dev.azureml.answers import Answer, Call, Refusal
from dev.azureml.jobs import Job, Jobs, Step
from dev.azureml.workspace import Workspace

PAGE = 50
"""Steps on one page of an answer."""


class History:
    """Handlers of run history."""

    def __init__(self, workspace: Workspace, jobs: Jobs) -> None:
        self.workspace = workspace
        self.jobs = jobs

    def discovery(self, _: Call) -> Answer:
        """Addresses of the other services: this one."""
        return Answer(200, {"api": self.workspace.url, "history": self.workspace.url})

    def children(self, call: Call) -> Answer:
        """The steps of a job that have been started, page by page."""
        job = self.jobs.find(call.names["run"])
        start = int(call.query.get("$continuationtoken", "0"))
        with self.workspace.lock:
            steps = [one for one in job.steps.values() if one.status != "NotStarted"]
        body: dict[str, Any] = {"value": [self._step(job, one) for one in steps[start : start + PAGE]]}
        if start + PAGE < len(steps):
            more = f"$continuationtoken={start + PAGE}&api-version=v1.0"
            body |= {
                "continuationToken": str(start + PAGE),
                "nextLink": f"{self.workspace.url}{call.path}?{more}",
            }
        return Answer(200, body)

    def details(self, call: Call) -> Answer:
        """The state of a run, and the addresses of its logs, which need no token."""
        run = call.names["run"]
        job, step = self._run(run)
        log = "logs/azureml/executionlogs.txt" if step is None else "user_logs/std_log.txt"
        found = step or job
        body = {
            "runId": run,
            "status": found.status,
            "logFiles": {log: f"{self.workspace.url}/logs/{run}"},
            "error": {"error": {"code": "UserError", "message": found.error}} if found.error else None,
        }
        return Answer(200, body)

    def log(self, call: Call) -> Answer:
        """The log of a run so far."""
        job, step = self._run(call.names["run"])
        if step is None:
            return Answer(200, job.log)
        return Answer(200, step.log.read_text("utf-8", "replace") if step.log.exists() else "")

    def _step(self, job: Job, step: Step) -> dict[str, Any]:
        error = {"error": {"code": "UserError", "message": step.error}} if step.error else None
        return {
            "runId": step.run,
            "parentRunId": job.name,
            "rootRunId": job.name,
            "displayName": step.name,
            "status": step.status,
            "startTimeUtc": step.started,
            "endTimeUtc": step.ended,
            "runType": "azureml.StepRun",
            "properties": {"azureml.pipelinerunid": job.name, "azureml.runsource": "azureml.StepRun"},
            "error": error,
        }

    def _run(self, run: str) -> tuple[Job, Step | None]:
        with self.workspace.lock:
            if job := self.jobs.jobs.get(run):
                return job, None
            for job in self.jobs.jobs.values():
                for step in job.steps.values():
                    if step.run == run:
                        return job, step
        raise Refusal(404, "UserError", f"Run {run} was not found.", "NotFound", "RunNotFound")
