"""One step: inputs are fetched, the uploaded code runs as a process, outputs go where they belong."""

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from dev.azureml.jobs import Step
from dev.azureml.specs import BINDING

if TYPE_CHECKING:
    from dev.azureml.execution import JobRun

POLL = 0.05
DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]")
PLACEHOLDER = re.compile(r"\$\{\{\s*((?:inputs|outputs)\.\w+)\s*\}\}")
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
        for name in self.component.get("inputs", {}):
            if (text := self._input(name)) is not None:
                values[f"inputs.{name}"] = text
        try:
            self._execute(command_line(self.component["command"], values), self._code())
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
                if self.job.job.steps[found["job"]].status != "Completed":
                    return None
                value = {"uri": self.job.output_uri(found["job"], found["result"])}
            else:
                value = self.job.input(found["input"])
        if value is None:
            default = declared.get("default")
            return None if default is None else str(default)
        if "uri" not in value:
            return str(value["value"])
        return str(self._fetched(unquote(str(value["uri"])), declared["type"]))

    def _fetched(self, uri: str, kind: str) -> Path:
        container, path = self.workspace.container(uri)
        storage = self.workspace.storage
        if kind == "uri_file":
            target = self.job.fetch(
                f"file {uri}",
                lambda folder: storage.download_file(container, path, folder / path.split("/")[-1]),
            )
            return target / path.split("/")[-1]
        return self.job.fetch(
            f"folder {uri}", lambda folder: storage.download_folder(container, path, folder)
        )

    def _execute(self, command: list[str], folder: Path) -> None:
        hidden = tuple(name for name in os.environ if name.startswith(HIDDEN))
        environment = {name: text for name, text in os.environ.items() if name not in hidden}
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        stopped = self._watch(process)
        reader.join()
        if stopped:
            raise Failure(stopped)
        if process.returncode:
            last = self.step.log.strip().splitlines()[-1:] or ["nothing"]
            raise Failure(f"Process exited with code {process.returncode}; its last words: {last[0]}")

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None  # noqa: S101
        with process.stdout as lines:
            for line in lines:
                self.step.log += line

    def _watch(self, process: "subprocess.Popen[str]") -> str | None:
        """Wait for a process; why it was stopped, or None where it ended by itself."""
        limit = seconds(self.node.get("limits", {}).get("timeout")) or float("inf")
        deadline = time.monotonic() + limit
        while True:
            try:
                process.wait(POLL)
                return None
            except subprocess.TimeoutExpired:
                canceled = self.job.job.canceled.is_set()
                if canceled or time.monotonic() > deadline:
                    process.kill()
                    process.wait()
                    return "canceled" if canceled else f"Step exceeded its time limit of {limit:g} seconds"


class Output:
    """A folder that a step writes to, and the place that it stands for."""

    def __init__(self, run: StepRun, name: str) -> None:
        self.name = name
        self.storage = run.workspace.storage
        self.folder = run.job.folder / "outputs" / run.step.name / name
        uri = run.job.output_uri(run.step.name, name)
        self.container, self.path = run.workspace.container(uri)
        self.mounted = not str(run.node.get("outputs", {}).get(name, {}).get("mode")).lower().startswith("up")
        self.folder.mkdir(parents=True)
        if self.mounted:  # a mount shows what is there already
            self.storage.download_folder(self.container, self.path, self.folder)
        self.before = self._files()

    def keep(self) -> None:
        """Write what is new or changed to the place that the folder stands for."""
        changed = [file for file, state in self._files().items() if self.before.get(file) != state]
        # A marker such as _SUCCESS says that the others are there, so it goes last.
        for file in sorted(changed, key=lambda file: (file.name.startswith("_"), file)):
            self.storage.upload_file(
                file, self.container, self.path, file.relative_to(self.folder).as_posix()
            )

    def _files(self) -> dict[Path, tuple[int, int]]:
        return {
            file: (file.stat().st_size, file.stat().st_mtime_ns)
            for file in self.folder.rglob("*")
            if file.is_file()
        }


def command_line(template: str, values: Mapping[str, str]) -> list[str]:
    """The argument list of a command: `$[[...]]` goes where its input is not given."""

    def kept(found: re.Match[str]) -> str:
        return found[1] if all(name in values for name in PLACEHOLDER.findall(found[1])) else ""

    words = shlex.split(OPTIONAL.sub(kept, template))
    line = [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in words]
    return [sys.executable if line[0] == "python" else line[0], *line[1:]]


def seconds(duration: str | None) -> float | None:
    """An ISO 8601 duration such as `PT30M`."""
    found = DURATION.fullmatch(duration or "")
    return (
        sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True))
        if found
        else None
    )
