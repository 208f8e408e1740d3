"""What the service checks when a component is registered: that its parts fit together."""

import re
from collections.abc import Mapping
from typing import Any

from dev.azureml.answers import bad_argument
from dev.azureml.expressions import EXPRESSION
from dev.azureml.mounts import DEFAULT_MODE, MODES
from dev.azureml.workspace import Workspace

NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
COMPONENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,254}")
BINDING = re.compile(
    r"\$\{\{\s*parent\.(?:inputs\.(?P<input>\w+)|outputs\.(?P<output>\w+)"
    r"|jobs\.(?P<job>\w+)\.outputs\.(?P<result>\w+))\s*\}\}"
)
ASSETS = frozenset({"uri_folder", "uri_file", "mltable"})
OUTPUT_MODES = frozenset({"ReadWriteMount", "Upload", "Direct"})
MAX_STEPS, MAX_INPUTS = 30_000, 200
IMMUTABLE = (
    "type",
    "command",
    "code",
    "environment",
    "inputs",
    "outputs",
    "jobs",
    "is_deterministic",
    "limits",
)
"""Fields of a specification that no later PUT of the same version may change."""


def is_true(value: Any) -> bool:
    """Whether a flag is set; the service writes flags as texts."""
    return str(value).lower() == "true"


def required(inputs: Mapping[str, Any]) -> set[str]:
    """The required inputs."""
    return {
        name
        for name, one in inputs.items()
        if not is_true(one.get("optional", False)) and one.get("default") is None
    }


def check_spec(workspace: Workspace, name: str, spec: dict[str, Any]) -> None:
    """Reject a specification that the service could not register."""
    if not COMPONENT_NAME.fullmatch(name) or spec.get("name") != name:
        raise bad_argument(f"Component name {spec.get('name')!r} is not legal, or not the one of its path.")
    match spec.get("type"):
        case "command":
            _check_command(workspace, spec)
        case "pipeline":
            _check_pipeline(workspace, spec)
        case other:
            raise bad_argument(f"This emulator does not support components of type {other!r}.")


def _check_command(workspace: Workspace, spec: dict[str, Any]) -> None:
    command = spec.get("command")
    if not isinstance(command, str) or not command.strip():
        raise bad_argument("A command component needs a command.")
    if spec.get("code"):
        workspace.referred(spec["code"], "codes")
    if not spec.get("environment"):
        raise bad_argument("A command component needs an environment.")
    workspace.referred(spec["environment"], "environments")
    for expression in EXPRESSION.findall(command):
        kind, _, name = expression.partition(".")
        if kind not in {"inputs", "outputs"} or name not in spec.get(kind, {}):
            raise bad_argument(f"The command uses ${{{{{expression}}}}}, which the component does not have.")


def _check_pipeline(workspace: Workspace, spec: dict[str, Any]) -> None:
    jobs = spec.get("jobs")
    if not isinstance(jobs, dict) or not jobs:
        raise bad_argument("A pipeline component needs jobs.")
    if len(jobs) > MAX_STEPS:
        raise bad_argument(f"A pipeline has at most {MAX_STEPS} steps, this one has {len(jobs)}.")
    for name, node in jobs.items():
        if not NODE_NAME.fullmatch(name):
            raise bad_argument(f"{name!r} cannot name a step: letters, digits and '_', no digit first.")
        _check_node(workspace, spec, name, node)
    order(jobs)


def _check_node(workspace: Workspace, spec: dict[str, Any], name: str, node: Mapping[str, Any]) -> None:
    step = workspace.specs[workspace.referred(node.get("componentId"), "components")]
    given, declared = node.get("inputs", {}), step.get("inputs", {})
    if len(given) > MAX_INPUTS:
        raise bad_argument(f"Step {name!r} has more than {MAX_INPUTS} inputs.")
    if unknown := set(given) - set(declared):
        raise bad_argument(
            f"Step {name!r} has inputs that its component does not declare: {sorted(unknown)}."
        )
    if missing := required(declared) - set(given):
        raise bad_argument(f"Step {name!r} is missing required inputs: {sorted(missing)}.", "MissingInputs")
    for key, value in given.items():
        _check_input(spec, f"{name}.{key}", value)
    if unknown := set(node.get("outputs", {})) - set(step.get("outputs", {})):
        raise bad_argument(
            f"Step {name!r} has outputs that its component does not declare: {sorted(unknown)}."
        )
    for key, value in node.get("outputs", {}).items():
        if value.get("mode", "ReadWriteMount") not in OUTPUT_MODES:
            raise bad_argument(f"There is no mode {value['mode']!r} for output '{name}.{key}'.")


def _check_input(spec: dict[str, Any], where: str, value: Mapping[str, Any]) -> None:
    if value.get("job_input_type") != "literal":
        return
    if value.get("mode", DEFAULT_MODE) not in MODES.values():
        raise bad_argument(f"This emulator does not support mode {value['mode']!r} of input {where!r}.")
    text = value.get("value")
    if not isinstance(text, str):
        raise bad_argument(f"The literal input {where!r} is not a text: {text!r}.")
    for found in BINDING.finditer(text):
        if found["input"] and found["input"] not in spec.get("inputs", {}):
            raise bad_argument(f"Input {where!r} is bound to {text}, which the pipeline does not have.")
        if found["job"] and found["job"] not in spec["jobs"]:
            raise bad_argument(f"Input {where!r} is bound to {text}, and there is no such step.")


def needs(node: Mapping[str, Any]) -> set[str]:
    """The steps whose results this step reads."""
    values = (str(one.get("value", "")) for one in node.get("inputs", {}).values())
    return {found["job"] for text in values for found in BINDING.finditer(text) if found["job"]}


def order(jobs: Mapping[str, Any]) -> list[str]:
    """Names of the steps, each after those that it needs."""
    waiting = {name: needs(node) for name, node in jobs.items()}
    done: list[str] = []
    while waiting:
        ready = [name for name, before in waiting.items() if before <= set(done)]
        if not ready:
            raise bad_argument(f"The steps {sorted(waiting)[:5]} wait for each other.")
        done.extend(ready)
        for name in ready:
            del waiting[name]
    return done


def first_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The first field that must not change and did."""
    return next((field for field in IMMUTABLE if old.get(field) != new.get(field)), None)
