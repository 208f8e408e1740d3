"""Registering a published pipeline in a workspace: environment, code, step component, pipeline component.

Their versions are hashes of their content, because a version in the service never changes. So if the pipeline
is registered under its version, it has the right content, and nothing needs to be sent.
"""

import contextlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline.engines.azureml.setup import Datastores, check
from pipeline.engines.azureml.workspace import Workspace
from pipeline.published.environment import (
    IMAGE,
    NAME,
    conda_file,
    copy_code,
    environment_version,
)
from pipeline.step_environment import ROOT

if TYPE_CHECKING:
    from pipeline.published.documents import Documents

type Document = dict[str, Any]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def register(workspace: Workspace, datastores: Datastores, documents: "Documents", code: Path = ROOT) -> str:
    """Register a pipeline under its version, unless it is registered; returns its full id.

    `code` is the folder whose `scoring` is uploaded.

    Raises:
        PublishError: the workspace does not have what the pipeline needs; nothing was registered.
        EngineError: the service refuses a request, or does not respond.
    """
    score: Document = yaml.load(documents.score_yml, _LOADER)  # noqa: S506 - a safe loader, the fast one
    pipeline: Document = yaml.load(documents.pipeline_yml, _LOADER)  # noqa: S506
    version = documents.version
    if not is_registered(workspace, pipeline["name"], version):
        check(workspace, datastores)
        runs_in = {"environment": _register_environment(workspace, conda_file()), "version": version}
        component = _register_score(workspace, {**score, **runs_in}, code)
        # `collect` is part of the pipeline document; it runs the code that was uploaded for the other steps.
        runs_in = {"environment": runs_in["environment"], "code": _prefixed(component.code)}
        _register_pipeline(workspace, {**pipeline, "version": version}, _prefixed(component.id), runs_in)
    return workspace.component_id(pipeline["name"], version)


def is_registered(workspace: Workspace, name: str, version: str) -> bool:
    """Whether this version of a component is registered: one call."""
    return _found(workspace, workspace.client.components, name, version)


def _register_environment(workspace: Workspace, conda: dict[str, Any]) -> str:
    from azure.ai.ml.entities import Environment

    version = environment_version(conda)
    if not _found(workspace, workspace.client.environments, NAME, version):
        environment = Environment(
            name=NAME, version=version, image=IMAGE, conda_file=conda, description="What scoring needs"
        )
        with workspace.translated(f"cannot register environment {NAME}:{version}"):
            workspace.client.environments.create_or_update(environment)
    return f"azureml:{NAME}:{version}"


def _register_score(workspace: Workspace, document: Document, code: Path) -> Any:
    """Upload the code and register the step component; returns it as the service has it."""
    with tempfile.TemporaryDirectory(prefix="fleet-scoring-") as name:
        folder = Path(name)
        copy_code(folder / "code", code)
        return _register(workspace, {**document, "code": "./code"}, folder)


def _register_pipeline(
    workspace: Workspace, document: Document, component: str, runs_in: Mapping[str, str]
) -> None:
    """Register the pipeline component over the step component that is registered already."""
    jobs = {}
    for name, node in document["jobs"].items():
        inline = isinstance(node["component"], dict)
        jobs[name] = {**node, "component": {**node["component"], **runs_in} if inline else component}
    with tempfile.TemporaryDirectory(prefix="fleet-scoring-") as name:
        _register(workspace, {**document, "jobs": jobs}, Path(name))


def _register(workspace: Workspace, document: Document, folder: Path) -> Any:
    from azure.ai.ml import load_component

    what = f"{document['name']}:{document['version']}"
    path = folder / "component.yml"
    path.write_text(yaml.dump(document, Dumper=_DUMPER, sort_keys=False, allow_unicode=True), "utf-8")
    # The client always prints colours for its upload. Its own validation is skipped because
    # it takes as long as the whole request: build and the service validate the documents.
    with (
        workspace.translated(f"cannot register component {what}"),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        return workspace.client.components.create_or_update(load_component(path), skip_validation=True)


def _prefixed(arm_id: str) -> str:
    """A full id as documents refer to it."""
    return f"azureml:{arm_id.removeprefix('azureml:')}"


def _found(workspace: Workspace, operations: Any, name: str, version: str) -> bool:
    failure = f"cannot look up {name}:{version}"
    return workspace.find(failure, lambda: operations.get(name=name, version=version)) is not None
