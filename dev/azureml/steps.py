"""One step: inputs are fetched, the uploaded code runs as a process, outputs go where they belong."""

import os
import re
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dev.azureml.jobs import Step
from dev.azureml.specs import BINDING
from pipeline.engines.local.placeholders import arguments

if TYPE_CHECKING:
    from dev.azureml.execution import JobRun

DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
HIDDEN = ("PYTHON", "AZURE", "IDENTITY_", "MSI_", "SCORING_", "ScoringStorage", "REQUESTS_CA_BUNDLE")
"""Beginnings of variables that a node of a cluster would not have: a step has to do without them."""


class Failure(Exception):
    """A step did not end as it should."""


class StepRun:
    """One step of a job while it runs."""

    def __init__(self, job: "JobRun", step: Step, node: Mapping[str, Any]) -> None:
        self.job = job
        self.workspace = job.workspace
        self.step = step
        self.node = node
        self.component = job.workspace.specs[node["componentId"]]

    def run(self) -> None:
        """Run it to its end.

        Raises:
            Failure: it ended with an error, took too long, or was cancelled.
        """
        outputs = [Output(self, name) for name in self.component.get("outputs", {})]
        values = {f"outputs.{output.name}": str(output.folder) for output in outputs}
        not_given = set()
        for name in self.component.get("inputs", {}):
            text = self._input(name)
            if text is None:
                not_given.add(f"inputs.{name}")
            else:
                values[f"inputs.{name}"] = text
        command = arguments(self.component["command"], values, not_given)
        try:
            self._execute(command, self._code())
        except Failure:
            for output in outputs:  # what was written to a mount is there, whatever comes after it
                if output.mounted:
                    output.keep()
            raise
        for output in outputs:
            output.keep()

    def _code(self) -> Path:
        """The code as it was uploaded; nothing else of the project is in reach of the step."""
        reference = self.component.get("code")
        if not reference:
            return self.job.fetch("none", lambda _: None)
        code = self.workspace.resources[self.workspace.referred(reference, "codes")]
        place = self.workspace.storage.place(code["properties"]["codeUri"])
        return self.job.fetch(
            f"code {code['id']}", lambda target: self.workspace.storage.download_folder(*place, target)
        )

    def _input(self, name: str) -> str | None:
        """What the command reads for an input: a path or a text; None where an optional one is not given."""
        declared = self.component["inputs"][name]
        value: Any = self.node.get("inputs", {}).get(name)
        if value is not None and (found := BINDING.fullmatch(str(value.get("value", "")))):
            if found["job"]:
                return self._result(found["job"], found["result"])
            value = self.job.input(found["input"])
        if value is None:
            default = declared.get("default")
            return None if default is None else str(default)
        if "uri" not in value:
            return str(value["value"])
        return str(self._fetched(unquote(str(value["uri"])), declared["type"]))

    def _result(self, step: str, output: str) -> str | None:
        """The folder that an earlier step has left, None where it failed."""
        if self.job.job.steps[step].status != "Completed":
            return None
        return str(self.job.mount(self.job.output_uri(step, output)))

    def _fetched(self, uri: str, kind: str) -> Path:
        container, path = self.workspace.container(uri)
        storage = self.workspace.storage
        if kind == "uri_file":
            name = path.split("/")[-1]
            return self.job.fetch(
                f"file {uri}", lambda folder: storage.download_file(container, path, folder / name)
            ) / (name)
        return self.job.fetch(
            f"folder {uri}", lambda folder: storage.download_folder(container, path, folder)
        )

    def _execute(self, command: list[str], folder: Path) -> None:
        environment = {name: text for name, text in os.environ.items() if not name.startswith(HIDDEN)}
        ended = self.job.processes.run(
            [sys.executable if command[0] == "python" else command[0], *command[1:]],
            folder=folder,
            environment=environment,
            log=self.step.log,
            seconds=seconds(self.node.get("limits", {}).get("timeout")),
        )
        if not ended.ok:
            raise Failure(ended.error or "it failed")


class Output:
    """A folder that a step writes to, and the place that it stands for."""

    def __init__(self, run: StepRun, name: str) -> None:
        self.name = name
        self.storage = run.workspace.storage
        self.folder = run.job.folder / "outputs" / run.step.name / name
        uri = run.job.output_uri(run.step.name, name)
        self.container, self.path = run.workspace.container(uri)
        self.mount = run.job.mount(uri)
        mode = str(run.node.get("outputs", {}).get(name, {}).get("mode", "ReadWriteMount"))
        self.mounted = mode != "Upload"
        if self.mounted:  # it shows what the steps before have left in the same place
            shutil.copytree(self.mount, self.folder, copy_function=os.link)
        else:
            self.folder.mkdir(parents=True)
        self.before = self._files()

    def keep(self) -> None:
        """Write what is new or changed to the place that the folder stands for."""
        changed = [file for file, state in self._files().items() if self.before.get(file) != state]
        # A marker such as _SUCCESS says that the others are there, so it goes last.
        for file in sorted(changed, key=lambda file: (file.name.startswith("_"), file)):
            name = file.relative_to(self.folder)
            self.storage.upload_file(file, self.container, self.path, name.as_posix())
            self._show(file, self.mount / name)

    def _show(self, file: Path, target: Path) -> None:
        """Put a file into the mount, whole at once: steps that begin now link what they see there."""
        target.parent.mkdir(parents=True, exist_ok=True)
        whole = self.mount.with_name(f"{self.mount.name}.{uuid.uuid4().hex}")
        shutil.copy2(file, whole)
        whole.replace(target)

    def _files(self) -> dict[Path, tuple[int, int, int]]:
        states = {file: file.stat() for file in self.folder.rglob("*") if file.is_file()}
        return {file: (state.st_ino, state.st_size, state.st_mtime_ns) for file, state in states.items()}


def seconds(duration: str | None) -> float | None:
    """An ISO 8601 duration such as `PT30M`."""
    found = DURATION.fullmatch(duration or "")
    if not found:
        return None
    return float(sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)))
