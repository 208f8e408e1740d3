"""The two documents of a pipeline, in Azure ML's own YAML: built from the keys of the models that there are.

    score.yml      the command component of the steps that score
    pipeline.yml   the pipeline component: a step per sensor or per shard, and `collect` after all of them;
                   `gather` steps in between where they are too many for one

Both engines execute them. The same keys and settings give the same bytes. What comes from data stands in the
values of inputs only, percent-encoded, never in a command.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from pipeline.errors import PublishError
from pipeline.published.documents import Documents
from scoring import SensorKey

NAME = "fleet_scoring"
SCORE_NAME = "fleet_scoring_score"
SCORE_FILE = "score.yml"
COLLECT = "collect"

MOST_AFTER = 190
"""A step that comes after others has an input for each of them, and Azure ML allows a step 200."""

PREDS = "azureml://datastores/scoring_preds/paths/"
"""Where predictions go in Azure ML: the datastore of the container; the local engine knows the container."""

_SCHEMA = "https://azuremlschemas.azureedge.net/latest"
_SHARED = ("data", "manifest", "models", "run")
"""Inputs that every step takes from the pipeline."""

_COMMON = "--data ${{inputs.data}} $[[--manifest=${{inputs.manifest}}]] --models ${{inputs.models}}"
_SCORE = (
    f"python -m scoring score {_COMMON} $[[--key=${{{{inputs.key}}}}]] $[[--shard=${{{{inputs.shard}}}}]] "
    "--out ${{outputs.preds}}/${{inputs.run}}"
)
_COLLECT = (
    f"python -m scoring collect {_COMMON} --run ${{{{inputs.run}}}} "
    "--preds ${{outputs.preds}}/${{inputs.run}}"
)

_GATHER = "python -c pass"
"""It has ended once all that it waits for has, and that is all."""

_PLAIN = re.compile(r"[a-z0-9]+")
_LONGEST_PLAIN = 60
"""Longest name of a step that is taken over whole; longer ones are cut and get a hash."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a file of readings may ask for, in MB; `str()` is what steps are told."""

    row_mb: int
    unpacked_mb: int

    def __str__(self) -> str:
        return f"--max-row-mb {self.row_mb} --max-unpacked-mb {self.unpacked_mb}"


def build(
    keys: Iterable[SensorKey],
    *,
    max_steps: int,
    time_limit: timedelta,
    limits: Limits,
    environment: str,
    code: str,
) -> Documents:
    """The documents for a fleet.

    Args:
        keys: the sensors that have a model, in any order.
        max_steps: more sensors than this are scored in so many shards.
        time_limit: how long one step may take.
        limits: how much a file of readings may ask for.
        environment: what steps run in, as Azure ML refers to it.
        code: the code that steps run, as Azure ML refers to it.

    Raises:
        PublishError: there are no keys.
    """
    fleet = sorted(set(keys))
    if not fleet:
        raise PublishError("there are no models: upload model_{device}_{sensor}.skops files, then publish")
    sharded = len(fleet) > max_steps
    inputs = _shard_inputs(max_steps) if sharded else {step_name(key): {"key": key.encoded} for key in fleet}
    runs_in = {"environment": environment, "code": code}
    seconds = max(1, round(time_limit.total_seconds()))
    pipeline = _pipeline(inputs, seconds=seconds, limits=limits, runs_in=runs_in)
    return Documents(
        pipeline_yml=_written(pipeline, f"Scores a fleet: {_told(len(inputs), sharded)}, then `collect`."),
        score_yml=_written(
            _score(limits, runs_in),
            "What the steps of pipeline.yml run: each scores one sensor, or one shard.",
        ),
        steps=len(inputs),
        sharded=sharded,
    )


def step_name(key: SensorKey) -> str:
    """Name of the step that scores one sensor: as Azure ML wants it, and no other sensor's.

    Lower-case letters, digits and underscores. Where that loses something, a hash of the key makes up for it;
    two underscores before it keep such names apart from plain ones.
    """
    name = f"score_{key.device}_{key.sensor}"
    if _PLAIN.fullmatch(key.device) and _PLAIN.fullmatch(key.sensor) and len(name) <= _LONGEST_PLAIN:
        return name
    readable = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST_PLAIN].rstrip("_")
    return f"{readable}__{hashlib.sha256(key.encoded.encode()).hexdigest()[:12]}"


def _shard_inputs(count: int) -> dict[str, dict[str, str]]:
    return {f"score_shard_{index:04}_of_{count:04}": {"shard": f"{index}/{count}"} for index in range(count)}


def _told(count: int, sharded: bool) -> str:
    what = "step" if count == 1 else "steps"
    return (
        f"{count} {what}, each for a shard of the sensors" if sharded else f"{count} {what}, one per sensor"
    )


def _score(limits: Limits, runs_in: Mapping[str, str]) -> dict[str, Any]:
    optional = {"type": "string", "optional": True}
    return {
        "$schema": f"{_SCHEMA}/commandComponent.schema.json",
        "name": SCORE_NAME,
        "display_name": "Score sensors",
        "description": "Scores the readings of one sensor, or of one shard of the sensors.",
        **_command(f"{_SCORE} {limits}", {**_inputs(), "key": optional, "shard": optional}, runs_in),
    }


def _pipeline(
    steps: Mapping[str, Mapping[str, str]], *, seconds: int, limits: Limits, runs_in: Mapping[str, str]
) -> dict[str, Any]:
    jobs = {name: _node(f"./{SCORE_FILE}", own, seconds) for name, own in steps.items()}
    last = list(steps)
    if len(last) > MOST_AFTER:
        groups = [last[first : first + MOST_AFTER] for first in range(0, len(last), MOST_AFTER)]
        last = [f"gather_{number:04}" for number in range(len(groups))]
        for name, group in zip(last, groups, strict=True):
            jobs[name] = _after(group, _GATHER, runs_in, seconds)
    jobs[COLLECT] = _after(last, f"{_COLLECT} {limits}", runs_in, seconds)
    return {
        "$schema": f"{_SCHEMA}/pipelineComponent.schema.json",
        "name": NAME,
        "display_name": "Score a fleet",
        "description": "Scores the landings of a manifest, and sums up what came out.",
        "type": "pipeline",
        "inputs": _inputs(),
        "jobs": jobs,
    }


def _after(names: Iterable[str], command: str, runs_in: Mapping[str, str], seconds: int) -> dict[str, Any]:
    """A step that begins once these have ended, well or not."""
    # Only data puts steps in order. These inputs are optional, so that a step that failed does not keep
    # the next one from beginning.
    bindings = {f"after_{name}": f"${{{{parent.jobs.{name}.outputs.preds}}}}" for name in names}
    after = {name: {"type": "uri_folder", "optional": True} for name in bindings}
    return _node(_command(command, {**_inputs(), **after}, runs_in), bindings, seconds)


def _inputs() -> dict[str, Any]:
    types = ("uri_folder", "uri_file", "uri_folder", "string")
    inputs: dict[str, Any] = {name: {"type": kind} for name, kind in zip(_SHARED, types, strict=True)}
    inputs["manifest"]["optional"] = True  # a job of a schedule has none: it scores all that is there
    return inputs


def _command(command: str, inputs: Mapping[str, Any], runs_in: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "command",
        "is_deterministic": False,  # or an earlier step with the same inputs would be taken for this one
        "inputs": dict(inputs),
        "outputs": {"preds": {"type": "uri_folder", "mode": "rw_mount"}},
        **runs_in,
        "command": _Folded(command),
    }


def _node(component: Any, own: Mapping[str, str], seconds: int) -> dict[str, Any]:
    shared = {name: f"${{{{parent.inputs.{name}}}}}" for name in _SHARED}
    return {
        "type": "command",
        "component": component,
        "inputs": {**shared, **own},
        # A mount: what a step has written is kept where the step fails.
        "outputs": {"preds": {"type": "uri_folder", "mode": "rw_mount", "path": PREDS}},
        "limits": {"timeout": seconds},
    }


class _Folded(str):
    """A long text that is written over several lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes every value where it stands, with no anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(
    _Folded, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=">")
)


def _written(document: Mapping[str, Any], about: str) -> bytes:
    head = f"# {about}\n# Written by `python -m pipeline publish`: publish again instead of changing it.\n"
    body = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return (head + body).encode()
