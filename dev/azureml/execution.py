"""Runs submitted jobs: each in a thread, its steps as processes, in the order of their dependencies."""

import hashlib
import sys
import tempfile
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from dev.azureml.answers import Refusal, now_text
from dev.azureml.expressions import Unresolved, resolved
from dev.azureml.faults import Faults, Loss
from dev.azureml.jobs import Job, Step
from dev.azureml.specs import BINDING, is_true, needs
from dev.azureml.steps import Failure, StepRun
from dev.azureml.workspace import DEFAULT_DATASTORE, Workspace
from pipeline.engines.local.processes import Processes

DEFAULT_OUTPUT = "azureml://datastores/${{default_datastore}}/paths/azureml/${{name}}/${{output_name}}/"
POLL = 0.1
"""Seconds between checks for a cancellation."""


class Execution:
    """Runs jobs; the number of steps at a time is limited across all of them."""

    def __init__(self, workspace: Workspace, faults: Faults, processes: int, logs: Path) -> None:
        self.workspace = workspace
        self.faults = faults
        self.logs = logs
        self.holds = not processes
        """Whether jobs are accepted and not run."""
        self._pool = ThreadPoolExecutor(processes or 1, "azureml-step")
        self._jobs: list[tuple[Job, threading.Thread]] = []

    def start(self, job: Job) -> None:
        """Start a job."""
        if not self.holds:
            thread = threading.Thread(target=self._run, args=(job,), name=job.name, daemon=True)
            self._jobs.append((job, thread))
            thread.start()

    def settle(self) -> None:
        """Stop all running jobs."""
        for job, _ in self._jobs:
            job.canceled.set()
        for _, thread in self._jobs:
            thread.join()
        self._jobs.clear()

    def stop(self) -> None:
        """End everything."""
        self.settle()
        self._pool.shutdown()

    def _run(self, job: Job) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix=f"azureml-{job.name[:40]}-") as folder:
                JobRun(self.workspace, self.faults, job, Path(folder), self.logs).run(self._pool)
        except Exception:  # noqa: BLE001 - after any error, the job must not appear to run for ever
            traceback.print_exc(file=sys.stderr)
            job.error = "the emulator failed; see its own output"
            job.status = "Failed"


class JobRun:
    """One job while it runs."""

    processes: Processes

    def __init__(self, workspace: Workspace, faults: Faults, job: Job, folder: Path, logs: Path) -> None:
        self.workspace = workspace
        self.faults = faults
        self.losses: dict[str, Loss] = {}
        """The steps whose nodes were evicted."""
        self.job = job
        self.folder = folder
        self.logs = logs
        self.spec = workspace.specs[job.properties["componentId"]]
        self.nodes: Mapping[str, dict[str, Any]] = self.spec["jobs"]
        self.fetching = threading.Lock()
        self.continues = is_true(job.properties.get("settings", {}).get("continue_on_step_failure", False))

    def run(self, pool: ThreadPoolExecutor) -> None:
        """Run all steps; the job is final afterwards."""
        job = self.job
        for name in self.nodes:
            run = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job.name}/{name}"))
            job.steps[name] = Step(run, name, self.logs / f"{run}.log")
        self._turn("Preparing")
        with Processes() as self.processes:
            self._turn("Running")
            self._run_nodes(pool)
        if job.canceled.is_set():
            self._turn("Canceled")
        else:
            failed = self._failed()
            ends = {loss.job for loss in self.losses.values()}
            ends |= {"Failed"} if set(failed) - self.losses.keys() else set()
            job.error = f"steps failed: {', '.join(failed[:5])}" if failed else None
            self._turn("Failed" if "Failed" in ends else "Completed")

    def _run_nodes(self, pool: ThreadPoolExecutor) -> None:
        waiting = {name: needs(node) for name, node in self.nodes.items()}
        running: dict[Future[None], str] = {}
        while waiting or running:
            stopped = self.job.canceled.is_set() or (self._failed() and not self.continues)
            if self.job.canceled.is_set():
                self.processes.stop()
            unfinished = {*waiting, *running.values()}
            for name in [name for name, before in waiting.items() if before.isdisjoint(unfinished)]:
                del waiting[name]
                if not stopped and self._can_run(name):
                    self.job.steps[name].status = "Queued"
                    running[pool.submit(self._step, name)] = name
            for done in wait(running, POLL, FIRST_COMPLETED).done:
                del running[done]
                done.result()

    def input(self, name: str) -> dict[str, Any] | None:
        """The value of a pipeline input: the job's, or the declared default."""
        given: dict[str, Any] | None = self.job.properties.get("inputs", {}).get(name)
        default = self.spec["inputs"][name].get("default")
        return given if given is not None or default is None else {"value": default}

    def output_uri(self, step: str, name: str) -> str:
        """Where a step's output goes: the path that its node names, or a folder of its own."""
        given = self.nodes[step].get("outputs", {}).get(name, {})
        run = self.job.steps[step].run
        uri = str(given.get("uri") or DEFAULT_OUTPUT)
        values = {"name": run, "output_name": name, "default_datastore": DEFAULT_DATASTORE}
        return resolved(uri, values)

    def mount(self, uri: str) -> Path:
        """What the steps of this job have written to a place so far."""
        with self.fetching:
            folder = self.folder / "mounts" / hashlib.sha256(uri.encode()).hexdigest()[:16]
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def fetch(self, what: str, read: Callable[[Path], None]) -> Path:
        """A folder that is downloaded once per job, when the first step needs it."""
        target = self.folder / "inputs" / hashlib.sha256(what.encode()).hexdigest()[:16]
        with self.fetching:
            if not target.exists():
                partial = target.with_suffix(".partial")
                partial.mkdir(parents=True)
                read(partial)
                partial.rename(target)
        return target

    def _turn(self, status: str) -> None:
        with self.workspace.lock:
            if status in {"Preparing", "Running"} and self.job.status == "CancelRequested":
                return
            self.job.status = status
            self.job.log += f"{now_text()} {status}\n"

    def _failed(self) -> list[str]:
        return [step.name for step in self.job.steps.values() if step.status == "Failed"]

    def _can_run(self, name: str) -> bool:
        """A step does not run if a required input comes from a step without a result."""
        node = self.nodes[name]
        declared = self.workspace.specs[node["componentId"]].get("inputs", {})
        for key, value in node.get("inputs", {}).items():
            source = BINDING.search(str(value.get("value", "")))
            lost = source and source["job"] and self.job.steps[source["job"]].status != "Completed"
            if lost and not is_true(declared[key].get("optional", False)):
                return False
        return True

    def _step(self, name: str) -> None:
        step = self.job.steps[name]
        if self.job.canceled.is_set():
            step.status = "Canceled"
            return
        if loss := self.faults.take_loss(name):
            self.losses[name] = loss
            if loss.after is None:
                step.status = "NotStarted"
                return
        step.status, step.started = "Running", now_text()
        try:
            StepRun(self, step, self.nodes[name]).run(loss.after if loss else None)
            step.status = "Completed"
        except (Failure, Refusal, Unresolved) as error:
            step.error = str(error)
            step.status = "Canceled" if self.job.canceled.is_set() else "Failed"
        except Exception as error:  # noqa: BLE001 - the storage client's own: the step failed, not the emulator
            step.error = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            step.status = "Failed"
        finally:
            step.ended = now_text()
            self.job.log += f"{step.ended} {name} {step.status} {step.error or ''}\n"
