"""Executes the nodes of a pipeline: a few at a time, each when those before it have finished.

A failed node does not end the run. Nodes with an optional input from it run without that input; nodes that
require it fail.

A step that ends with exit code 1 or 2 has answered: its model or its command is at fault, its sensors have
failed, and another try does not help. A step that gives no answer in all its tries (it was killed, ran out of
memory or time, or had a temporary reason) was lost: its sensors are missing, and the sweep tries them again.
"""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine import StepState
from pipeline.engines.local.graph import Node, Pipeline
from pipeline.engines.local.machine import Machine
from pipeline.engines.local.processes import Processes, ProcessResult
from pipeline.engines.local.step_states import StepStates
from pipeline.published.build import COLLECT
from scoring import SensorKey
from scoring.formats import OUTCOME_VERSION, OUTCOMES_FOLDER, SensorStatus
from scoring.shards import Shard

_FIRST_PAUSE = 0.5
"""Seconds before a step's second try; each further pause is twice as long."""

_LOOK_SECONDS = 0.2
"""Seconds between two checks whether to stop."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What all steps of one run share."""

    run: str
    given: Mapping[str, str]
    """Values of the pipeline's inputs."""
    keys: tuple[SensorKey, ...]
    preds: Path
    """Where steps write: it represents the preds container, and has a folder for this run."""
    logs: Path
    code: Path
    """The working folder of steps: `python -m scoring` finds its code there."""
    environment: Mapping[str, str]
    python: str
    processes: int
    tries: int

    @property
    def out(self) -> Path:
        """The folder of predictions of this run."""
        return self.preds / self.run


class Execution:
    """One run of a pipeline; `run` returns when all nodes have finished, or soon after `stop` is set."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        place: Workplace,
        processes: Processes,
        machine: Machine,
        states: StepStates,
        stop: threading.Event,
        keep_log: Callable[[Path], None],
    ) -> None:
        """Runs steps in `processes`; calls `keep_log` with the log of each when it has finished."""
        self.pipeline = pipeline
        self.place = place
        self.processes = processes
        self.machine = machine
        self.states = states
        self.stop = stop
        self.keep_log = keep_log
        self.outputs: dict[str, str] = {}
        """Folders of outputs by node, for nodes that have succeeded."""
        self.failed: dict[str, ProcessResult] = {}

    def run(self) -> None:
        """Execute every node."""
        waiting = {node.name: node for node in self.pipeline.nodes}
        running: dict[Future[ProcessResult], Node] = {}
        with ThreadPoolExecutor(self.place.processes) as pool:
            while (waiting or running) and not self.stop.is_set():
                unfinished = {*waiting, *(node.name for node in running.values())}
                for node in [node for node in waiting.values() if node.needs.isdisjoint(unfinished)]:
                    del waiting[node.name]
                    running[pool.submit(self._node, node)] = node
                for future in wait(running, _LOOK_SECONDS, FIRST_COMPLETED).done:
                    self._note(running.pop(future), future.result())
            self.processes.stop()
            pool.shutdown(cancel_futures=True)

    def _note(self, node: Node, ended: ProcessResult) -> None:
        if ended.ok:
            self.outputs[node.name] = str(self.place.preds)
            self.states.ends(node.name, StepState.SUCCEEDED)
        elif not self.stop.is_set():
            self.failed[node.name] = ended
            self.states.ends(node.name, StepState.FAILED, ended.error)
            if node.name != COLLECT:
                _write_outcome(node, ended, self.place)

    def _node(self, node: Node) -> ProcessResult:
        if failed := node.failed_requirement(self.outputs):
            return ProcessResult(ok=False, error=f"step {failed}, whose result it needs, failed")
        command = node.arguments(self.place.given, self.outputs, str(self.place.preds))
        if command[0] == "python":
            command[0] = self.place.python
        log = self.place.logs / f"{node.name}.log"
        try:
            return self._run_with_retries(node, command, log)
        finally:
            if log.exists():
                self.keep_log(log)

    def _run_with_retries(self, node: Node, command: list[str], log: Path) -> ProcessResult:
        ended = ProcessResult(ok=False, error="it was stopped")
        for number in range(self.place.tries):
            if number and self.stop.wait(_FIRST_PAUSE * 2 ** (number - 1)):
                break
            with self.machine.slot(self.place.processes, self.stop) as has_slot:
                if not has_slot:
                    break
                self.states.begins(node.name)
                ended = self.processes.run(
                    command,
                    folder=self.place.code,
                    environment=self.place.environment,
                    log=log,
                    seconds=node.seconds,
                )
            if ended.ok or not ended.retry:
                break
        return ended


def _write_outcome(node: Node, ended: ProcessResult, place: Workplace) -> None:
    """Write the outcome of a step that wrote none itself: its sensors, and why they failed or are missing."""
    if "key" in node.inputs:
        name, keys = node.inputs["key"], [SensorKey.from_encoded(node.inputs["key"])]
    elif "shard" in node.inputs:
        shard = Shard.from_text(node.inputs["shard"])
        name, keys = shard.step, list(filter(shard.covers, place.keys))
    else:
        return
    path = place.out / OUTCOMES_FOLDER / f"{name}.json"
    if path.exists():
        return
    status = SensorStatus.MISSING if ended.retry else SensorStatus.FAILED
    reason = ended.error or "its step failed"
    sensors = [
        {"device": key.device, "sensor": key.sensor, "status": status, "reason": reason} for key in keys
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"version": OUTCOME_VERSION, "step": name, "sensors": sensors, "landings": []}
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
