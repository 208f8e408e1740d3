"""One step: inputs are delivered, the uploaded code runs as a process, outputs go where they belong."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dev.azureml.expressions import Unresolved, command_line
from dev.azureml.jobs import Step
from dev.azureml.mounts import DEFAULT_MODE, Output, ReadOnly
from dev.azureml.specs import BINDING

if TYPE_CHECKING:
    from dev.azureml.execution import JobRun

DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
HIDDEN = ("PYTHON", "AZURE", "IDENTITY_", "MSI_", "SCORING_", "ScoringStorage", "REQUESTS_CA_BUNDLE")
"""Prefixes of variables that a cluster's node would not have; steps do not get them."""


class Failure(Exception):
    """A step failed."""


class StepRun:
    """One step of a job while it runs."""

    def __init__(self, job: "JobRun", step: Step, node: Mapping[str, Any]) -> None:
        self.job = job
        self.workspace = job.workspace
        self.step = step
        self.node = node
        self.component = job.workspace.specs[node["componentId"]]
        self.folder = job.folder / "steps" / step.name
        self.mounts: list[ReadOnly] = []

    def run(self, lost_after: float | None = None) -> None:
        """Run it until it finishes or its node is evicted.

        Raises:
            Failure: it failed, exceeded its time limit, or was cancelled.
        """
        outputs, values = {}, {}
        for name in self.component.get("outputs", {}):
            if (mode := self._output_mode(name)) == "Direct":
                values[f"outputs.{name}"] = self.job.output_uri(self.step.name, name)
            else:
                outputs[name] = self._output(name, mode)
                values[f"outputs.{name}"] = str(outputs[name].folder)
        absent = set()
        for name in self.component.get("inputs", {}):
            text = self._input(name)
            if text is None:
                absent.add(f"inputs.{name}")
            else:
                values[f"inputs.{name}"] = text
        try:
            line = command_line(self.component["command"], values, absent)
        except Unresolved as error:
            raise Failure(f"the command cannot be resolved: {error}") from error
        try:
            self._execute(line, lost_after)
        except Failure:
            for output in outputs.values():  # a mount keeps what was written to it
                if output.mount:
                    output.keep()
            raise
        for output in outputs.values():
            output.keep()

    def _code(self) -> Path:
        """The code as it was uploaded; the step can reach nothing else of the project."""
        reference = self.component.get("code")
        if not reference:
            return self.job.fetch("none", lambda _: None)
        code = self.workspace.resources[self.workspace.referred(reference, "codes")]
        place = self.workspace.storage.place(code["properties"]["codeUri"])
        return self.job.fetch(
            f"code {code['id']}", lambda target: self.workspace.storage.download_folder(*place, target)
        )

    def _input(self, name: str) -> str | None:
        """What the command reads for an input: a path or a text; None for an optional one without a value."""
        declared = self.component["inputs"][name]
        value: Any = self.node.get("inputs", {}).get(name)
        mode = (value or {}).get("mode")
        if value is not None and (found := BINDING.fullmatch(str(value.get("value", "")))):
            if found["job"]:
                return self._result(name, found["job"], found["result"], mode or DEFAULT_MODE)
            value = self.job.input(found["input"])
        if value is None:
            default = declared.get("default")
            return None if default is None else str(default)
        if "uri" not in value:
            return str(value["value"])
        uri, mode = unquote(str(value["uri"])), mode or value.get("mode") or DEFAULT_MODE
        if mode == "Direct":
            return uri
        folder = self._delivered(name, self._fetched(uri, declared["type"]), mode, fixed=True)
        return str(folder / uri.rsplit("/", 1)[-1] if declared["type"] == "uri_file" else folder)

    def _result(self, name: str, step: str, output: str, mode: str) -> str | None:
        """The folder that an earlier step has written; None if it failed."""
        if self.job.job.steps[step].status != "Completed":
            return None
        uri = self.job.output_uri(step, output)
        return uri if mode == "Direct" else str(self._delivered(name, self.job.mount(uri), mode, fixed=False))

    def _delivered(self, name: str, source: Path, mode: str, *, fixed: bool) -> Path:
        folder = self.folder / "inputs" / name
        if mode == "Download":
            return Path(shutil.copytree(source, folder))
        self.mounts.append(ReadOnly(source, folder, fixed=fixed))
        return folder

    def _fetched(self, uri: str, kind: str) -> Path:
        """The folder of an input, or a folder with only its file."""
        container, path = self.workspace.container(uri)
        storage = self.workspace.storage
        if kind == "uri_file":
            name = path.split("/")[-1]
            return self.job.fetch(
                f"file {uri}", lambda folder: storage.download_file(container, path, folder / name)
            )
        return self.job.fetch(
            f"folder {uri}", lambda folder: storage.download_folder(container, path, folder)
        )

    def _output_mode(self, name: str) -> str:
        return str(self.node.get("outputs", {}).get(name, {}).get("mode", "ReadWriteMount"))

    def _output(self, name: str, mode: str) -> Output:
        uri = self.job.output_uri(self.step.name, name)
        mount = None if mode == "Upload" else self.job.mount(uri)
        place = self.workspace.container(uri)
        return Output(self.workspace.storage, place, mount, self.folder / "outputs" / name)

    def _execute(self, line: str, lost_after: float | None) -> None:
        environment = {name: text for name, text in os.environ.items() if not name.startswith(HIDDEN)}
        python = Path(sys.executable).parent  # `python` in a step is this interpreter
        limit = seconds(self.node.get("limits", {}).get("timeout"))
        ended = self.job.processes.run(
            ["bash", "-c", line],
            folder=self._code(),
            environment={**environment, "PATH": f"{python}{os.pathsep}{environment.get('PATH', '')}"},
            log=self.step.log,
            seconds=limit if lost_after is None else lost_after,
        )
        if lost_after is not None:
            raise Failure("The node that the step ran on was preempted.")
        for mount in self.mounts:
            if written := mount.written():
                raise Failure(f"Read-only file system: {mount.folder.name}/{written} was written")
        if not ended.ok:
            raise Failure(ended.error or "it failed")


def seconds(duration: str | None) -> float | None:
    """An ISO 8601 duration such as `PT30M`."""
    found = DURATION.fullmatch(duration or "")
    if not found:
        return None
    return float(sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)))
