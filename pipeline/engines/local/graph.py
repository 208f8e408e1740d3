"""A published pipeline for the local engine: nodes with their commands, ordered by their data."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import yaml

from pipeline.engines.local.placeholders import arguments, placeholders, resolve
from pipeline.errors import PublishError
from pipeline.json_documents import DAMAGED, damage

PREDS = "preds"
"""The only output of steps; the local engine decides where it goes."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Component:
    """The command of a node and its inputs."""

    command: str
    optional: Mapping[str, bool]
    """Its inputs, and whether each is optional."""


@dataclass(frozen=True)
class Node:
    """One step of the pipeline."""

    name: str
    component: Component
    inputs: Mapping[str, str]
    """Values of its inputs, most of them with a placeholder."""
    seconds: float | None
    """Its time limit."""

    @cached_property
    def needs(self) -> frozenset[str]:
        """Names of the nodes whose outputs are its inputs."""
        names = (name.split(".") for text in self.inputs.values() for name in placeholders(text))
        return frozenset(parts[2] for parts in names if parts[:2] == ["parent", "jobs"])

    def failed_requirement(self, done: Mapping[str, str]) -> str | None:
        """A failed node whose output is a required input of this one; `done` are outputs by node."""
        for name, text in self.inputs.items():
            for placeholder in placeholders(text):
                parts = placeholder.split(".")
                missing = parts[:2] == ["parent", "jobs"] and parts[2] not in done
                if missing and not self.component.optional[name]:
                    return parts[2]
        return None

    def arguments(self, given: Mapping[str, str], outputs: Mapping[str, str], preds: str) -> list[str]:
        """Its command line.

        Args:
            given: the pipeline's own inputs.
            outputs: folders of the outputs of earlier nodes, by node; without failed nodes.
            preds: folder of its own output.

        Raises:
            CommandError: the documents are inconsistent.
        """
        parent = {f"parent.inputs.{name}": text for name, text in given.items()}
        parent |= {f"parent.jobs.{name}.outputs.{PREDS}": path for name, path in outputs.items()}
        values = {f"outputs.{PREDS}": preds}
        for name, text in self.inputs.items():
            is_required = not self.component.optional[name]
            if is_required or all(placeholder in parent for placeholder in placeholders(text)):
                values[f"inputs.{name}"] = resolve(text, parent)
        not_given = {
            f"inputs.{name}" for name, optional in self.component.optional.items() if optional
        } - values.keys()
        return arguments(self.component.command, values, not_given)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The nodes, each after the nodes that it needs."""

    nodes: tuple[Node, ...]

    @classmethod
    def read(cls, pipeline_yml: bytes, files: Mapping[str, bytes]) -> Self:
        """Read the documents; `files` are those that pipeline.yml refers to, by name.

        Raises:
            PublishError: they are damaged or inconsistent.
        """
        try:
            document = yaml.load(pipeline_yml, _LOADER)  # noqa: S506 - a safe loader, if possible the fast one
            components = {
                name: _component(yaml.load(content, _LOADER))  # noqa: S506
                for name, content in files.items()
            }
            nodes = {name: _node(name, job, components) for name, job in document["jobs"].items()}
            return cls(tuple(_in_order(nodes)))
        except (yaml.YAMLError, *DAMAGED) as error:
            raise PublishError(
                f"the published documents cannot be read ({damage(error)}): publish again"
            ) from error


def _component(document: Mapping[str, Any]) -> Component:
    if set(document["outputs"]) != {PREDS}:
        raise ValueError(f"expected one output, {PREDS}, found {sorted(document['outputs'])}")
    optional = {name: bool(spec.get("optional", False)) for name, spec in document["inputs"].items()}
    return Component(str(document["command"]), optional)


def _node(name: str, job: Mapping[str, Any], components: Mapping[str, Component]) -> Node:
    refers = job["component"]
    component = components[refers.removeprefix("./")] if isinstance(refers, str) else _component(refers)
    given = job["inputs"].items()
    inputs = {key: str(value["path"] if isinstance(value, Mapping) else value) for key, value in given}
    if unknown := sorted(inputs.keys() - component.optional.keys()):
        raise ValueError(f"step {name} has inputs that its component does not have: {', '.join(unknown)}")
    seconds = job.get("limits", {}).get("timeout")
    return Node(name, component, inputs, None if seconds is None else float(seconds))


def _in_order(nodes: Mapping[str, Node]) -> list[Node]:
    """Each node after the nodes that it needs, otherwise in the order of the document."""
    order: dict[str, Node] = {}
    waiting = dict(nodes)
    while waiting:
        ready = [name for name, node in waiting.items() if node.needs <= order.keys()]
        if not ready:
            raise ValueError(f"these steps wait for each other: {', '.join(sorted(waiting)[:5])}")
        for name in ready:
            order[name] = waiting.pop(name)
    return list(order.values())
