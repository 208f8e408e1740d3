"""The two YAML documents of a pipeline for Azure ML, built from the keys of the models in storage.

    score.yml      the command component of the steps that score
    pipeline.yml   the pipeline component: a step per sensor or per shard, and `collect` after all of them;
                   `gather` steps in between if `collect` would wait for too many

Both engines execute them. The same keys and settings give the same bytes. Names from data appear only in
values of inputs, percent-encoded, never in a command.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from pipeline.errors import PublishError
from pipeline.json_documents import DAMAGED, damage
from pipeline.published.documents import Documents
from scoring import SensorKey
from scoring.formats import LEAST_EPISODE

NAME = "fleet_scoring"
SCORE_NAME = "fleet_scoring_score"
SCORE_FILE = "score.yml"
COLLECT = "collect"

MOST_AFTER = 190
"""A step has an input for each step that it waits for, and Azure ML allows 200 inputs."""

PREDS = "azureml://datastores/scoring_preds/paths/"
"""Where predictions go in Azure ML: the datastore of the container. The local engine does not need it."""

_SCHEMA = "https://azuremlschemas.azureedge.net/latest"
_SHARED = ("data", "manifest", "models", "run")
"""Inputs that every step except `gather` gets from the pipeline."""

_BOUND = {name: f"${{{{parent.inputs.{name}}}}}" for name in _SHARED}
"""The bindings of these inputs."""

_COMMON = "--data ${{inputs.data}} $[[--manifest=${{inputs.manifest}}]] --models ${{inputs.models}}"
_SCORE = (
    f"python -m scoring score {_COMMON} $[[--key=${{{{inputs.key}}}}]] $[[--shard=${{{{inputs.shard}}}}]] "
    "--out ${{outputs.preds}}/${{inputs.run}}"
)
_COLLECT = (
    f"python -m scoring collect {_COMMON} --run ${{{{inputs.run}}}} "
    "--preds ${{outputs.preds}}/${{inputs.run}} --exit-zero"
)
"""It has done its work where sensors failed too: `state` in the summary says how the run ended."""

_MAPPING = re.compile(r" --mapping (%7B[A-Za-z0-9%_.~-]*)")
_LIMITS = re.compile(
    re.escape(_COLLECT)
    + f"(?:{_MAPPING.pattern})?"
    + r" --max-row-mb (\d{1,9}) --max-unpacked-mb (\d{1,9}) --max-rejected ([0-9.e+-]{1,20})"
    r"(?: --episode-least (\d{1,9}))?"
)
_GAP = re.compile(r".* --episode-gap ([0-9.e+-]{1,20})")

_GATHER = "python -c pass"
"""It does nothing but wait for other steps."""

_SHARD = re.compile(r"score_shard_\d{4,}_of_\d{4,}")
_PLAIN = re.compile(r"[a-z0-9]+")
_LONGEST_PLAIN = 60
"""Longest step name that is not cut; longer ones are cut and get a hash."""


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """Limits and mappings of files of readings, and episodes; `str()` is the options of all steps."""

    row_mb: int
    unpacked_mb: int
    rejected: float = 0.01
    """Up to this share of the rows of a landing can be rejected in a run that succeeds."""
    mapping: str = ""
    """How files are read, percent-encoded: nothing in it means anything to a shell, or is a placeholder."""
    episode_gap: float | None = None
    """Seconds between two anomalies of an episode; None for the default, which gives no option."""
    episode_least: int = LEAST_EPISODE
    """Anomalies of an episode that counts; the default gives no option."""

    @property
    def of_score(self) -> str:
        """The options of `score`."""
        return f"{self} --episode-gap {self.episode_gap:.12g}" if self.episode_gap else f"{self}"

    @property
    def of_collect(self) -> str:
        """The options of `collect`."""
        least = "" if self.episode_least == LEAST_EPISODE else f" --episode-least {self.episode_least}"
        return f"{self} --max-rejected {self.rejected:g}{least}"

    def __str__(self) -> str:
        mapping = f"--mapping {self.mapping} " if self.mapping else ""
        return f"{mapping}--max-row-mb {self.row_mb} --max-unpacked-mb {self.unpacked_mb}"


def build(
    keys: Iterable[SensorKey],
    *,
    shards: int | None,
    time_limit: timedelta,
    limits: ReadingLimits,
    environment: str,
    code: str,
) -> Documents:
    """The documents for a fleet.

    Args:
        keys: the sensors that have a model, in any order.
        shards: the number of steps that share the sensors; None for a step per sensor.
        time_limit: how long one step can take.
        limits: limits for files of readings.
        environment: reference to the environment of steps, for Azure ML.
        code: reference to the code of steps, for Azure ML.
    """
    fleet = sorted(set(keys))
    sharded = shards is not None
    inputs = _step_inputs(fleet, shards)
    runs_in = {"environment": environment, "code": code}
    seconds = max(1, round(time_limit.total_seconds()))
    pipeline = _pipeline(inputs, seconds=seconds, limits=limits, runs_in=runs_in)
    return Documents(
        pipeline_yml=_written(pipeline, f"Scores a fleet: {_step_count(inputs, sharded)}, then `collect`."),
        score_yml=_written(
            _score(limits, runs_in),
            "What the steps of pipeline.yml run: each scores one sensor, or one shard.",
        ),
        steps=len(inputs),
        sharded=sharded,
    )


def check(pipeline_yml: bytes, score_yml: bytes) -> None:
    """Check that these documents are what `build` writes, for some fleet and some limits.

    A command in them is a command line that a worker runs. So nothing of them is trusted: what they say of
    fleet and limits is read, the documents are built again from it, and compared.

    Raises:
        PublishError: they are not.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        pipeline, score = (yaml.load(text, loader) for text in (pipeline_yml, score_yml))  # noqa: S506
        jobs = pipeline["jobs"]
        inputs = [job["inputs"] for job in jobs.values()]
        keys = [SensorKey.from_encoded(own["key"]) for own in inputs if "key" in own]
        steps = _step_inputs(keys, None if keys else sum("shard" in own for own in inputs))
        found = _LIMITS.fullmatch(jobs[COLLECT]["component"]["command"])
        limits = _limits(found, _GAP.fullmatch(score["command"])) if found else None
        runs_in = {name: str(score[name]) for name in ("environment", "code")}
        seconds = int(jobs[COLLECT]["limits"]["timeout"])
        same = limits is not None and (pipeline, score) == (
            _pipeline(steps, seconds=seconds, limits=limits, runs_in=runs_in),
            _score(limits, runs_in),
        )
    except (yaml.YAMLError, *DAMAGED) as error:
        raise PublishError(
            f"the published documents cannot be read ({damage(error)}): publish again"
        ) from error
    if not same:
        raise PublishError(
            "the published documents are not those that this version of the project writes: publish again, "
            "and find out who else can write to the container of runs"
        )


def mapping_of(score_yml: bytes) -> str:
    """The mapping in a published score.yml, percent-encoded; empty where there is none.

    Raises:
        PublishError: it cannot be read.
    """
    try:
        found = _MAPPING.search(yaml.safe_load(score_yml)["command"])
    except (yaml.YAMLError, *DAMAGED) as error:
        raise PublishError(
            f"the published documents cannot be read ({damage(error)}): publish again"
        ) from error
    return found[1] if found else ""


def _limits(collect: re.Match[str], gap: re.Match[str] | None) -> ReadingLimits:
    return ReadingLimits(
        int(collect[2]),
        int(collect[3]),
        float(collect[4]),
        collect[1] or "",
        float(gap[1]) if gap else None,
        int(collect[5]) if collect[5] else LEAST_EPISODE,
    )


def step_name(key: SensorKey) -> str:
    """Name of the step that scores one sensor: unique, and valid in Azure ML.

    Lower-case letters, digits and underscores. If the key has other characters, two underscores and a hash of
    the key follow, so that such a name never equals a plain one.
    """
    name = f"score_{key.device}_{key.sensor}"
    if _PLAIN.fullmatch(key.device) and _PLAIN.fullmatch(key.sensor) and len(name) <= _LONGEST_PLAIN:
        return name
    readable = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST_PLAIN].rstrip("_")
    return f"{readable}__{hashlib.sha256(key.encoded.encode()).hexdigest()[:12]}"


def scores_shard(name: str) -> bool:
    """Whether a step of this name scores a shard: no sensor's step is called so."""
    return _SHARD.fullmatch(name) is not None


def _step_inputs(keys: Iterable[SensorKey], shards: int | None) -> dict[str, dict[str, str]]:
    """The steps that score, by name, with the inputs of their own."""
    if shards:
        return {
            f"score_shard_{index:04}_of_{shards:04}": {"shard": f"{index}/{shards}"}
            for index in range(shards)
        }
    return {step_name(key): {"key": key.encoded} for key in keys}


def _step_count(inputs: Sized, sharded: bool) -> str:
    count = len(inputs)
    what = "step" if count == 1 else "steps"
    return (
        f"{count} {what}, each for a shard of the sensors" if sharded else f"{count} {what}, one per sensor"
    )


def _score(limits: ReadingLimits, runs_in: Mapping[str, str]) -> dict[str, Any]:
    optional = {"type": "string", "optional": True}
    return {
        "$schema": f"{_SCHEMA}/commandComponent.schema.json",
        "name": SCORE_NAME,
        "display_name": "Score sensors",
        "description": "Scores the readings of one sensor, or of one shard of the sensors.",
        **_command(f"{_SCORE} {limits.of_score}", {**_inputs(), "key": optional, "shard": optional}, runs_in),
    }


def _pipeline(
    steps: Mapping[str, Mapping[str, str]], *, seconds: int, limits: ReadingLimits, runs_in: Mapping[str, str]
) -> dict[str, Any]:
    jobs = {name: _node(f"./{SCORE_FILE}", {**_BOUND, **own}, seconds) for name, own in steps.items()}
    last = list(steps)
    if len(last) > MOST_AFTER:
        groups = [last[first : first + MOST_AFTER] for first in range(0, len(last), MOST_AFTER)]
        last = [f"gather_{number:04}" for number in range(len(groups))]
        for name, group in zip(last, groups, strict=True):
            jobs[name] = _gather(group, runs_in, seconds)
    after, bindings = _after(last)
    collect = _command(f"{_COLLECT} {limits.of_collect}", {**_inputs(), **after}, runs_in)
    jobs[COLLECT] = _node(collect, {**_BOUND, **bindings}, seconds)
    return {
        "$schema": f"{_SCHEMA}/pipelineComponent.schema.json",
        "name": NAME,
        "display_name": "Score a fleet",
        "description": "Scores the landings of a manifest, and sums up what came out.",
        "type": "pipeline",
        "inputs": _inputs(),
        "jobs": jobs,
    }


def _gather(names: Iterable[str], runs_in: Mapping[str, str], seconds: int) -> dict[str, Any]:
    """A step that only waits for these: it reads and writes nothing, so nothing is mounted."""
    after, bindings = _after(names)
    node = _node(_command(_GATHER, after, runs_in), bindings, seconds)
    return node | {"outputs": {"preds": {"type": "uri_folder", "mode": "direct"}}}


def _after(names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs that let a step start when these have finished, also if they failed; and their bindings.

    Azure ML orders steps by their data only. These inputs are optional, so that a failed step does not keep
    the next one from starting, and direct: the step gets an address, and no container is mounted for it.
    """
    results = {f"after_{name}": f"${{{{parent.jobs.{name}.outputs.preds}}}}" for name in names}
    bindings = {name: {"path": result, "mode": "direct"} for name, result in results.items()}
    return {name: {"type": "uri_folder", "optional": True} for name in results}, bindings


def _inputs() -> dict[str, Any]:
    types = ("uri_folder", "uri_file", "uri_folder", "string")
    inputs: dict[str, Any] = {name: {"type": kind} for name, kind in zip(_SHARED, types, strict=True)}
    inputs["manifest"]["optional"] = True  # a job of a schedule has none: it scores all readings
    return inputs


def _command(command: str, inputs: Mapping[str, Any], runs_in: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "command",
        "is_deterministic": False,  # otherwise Azure ML reuses results of equal steps
        "inputs": dict(inputs),
        "outputs": {"preds": {"type": "uri_folder", "mode": "rw_mount"}},
        **runs_in,
        "command": _Folded(command),
    }


def _node(component: Any, inputs: Mapping[str, Any], seconds: int) -> dict[str, Any]:
    return {
        "type": "command",
        "component": component,
        "inputs": dict(inputs),
        # A mount keeps what a step has written, also if the step fails.
        "outputs": {"preds": {"type": "uri_folder", "mode": "rw_mount", "path": PREDS}},
        "limits": {"timeout": seconds},
    }


class _Folded(str):
    """A long text that the YAML folds over several lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes every value in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Dumper.add_representer(
    _Folded, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=">")
)


def _written(document: Mapping[str, Any], about: str) -> bytes:
    head = f"# {about}\n# Written by `python -m pipeline publish`: publish again instead of changing it.\n"
    body = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return (head + body).encode()
