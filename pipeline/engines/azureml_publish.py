"""Registering a published pipeline in a workspace: environment, code, step component, pipeline component.

All of them get versions made from content, because the service never changes what a version does. So a
pipeline that is there under its version is the one that is meant, and nothing needs to be sent.
"""

import contextlib
import copy
import io
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.engines.azureml_environment import (
    IMAGE,
    NAME,
    ROOT,
    code_hash,
    conda_file,
    copy_code,
    environment_version,
    short_hash,
)
from pipeline.engines.azureml_setup import Datastores, check
from pipeline.engines.azureml_workspace import Workspace, is_missing

type Document = Mapping[str, Any]


def content_version(score: Document, pipeline: Document, root: Path = ROOT) -> str:
    """The version of a pipeline: the same documents, code and packages give the same one."""
    documents = [{**document, "version": None} for document in (score, pipeline)]
    return short_hash(
        json.dumps(documents, sort_keys=True).encode(),
        environment_version(conda_file(root)).encode(),
        code_hash(root).encode(),
    )


def register(
    workspace: Workspace, datastores: Datastores, score: Document, pipeline: Document, root: Path = ROOT
) -> tuple[str, bool]:
    """Register a pipeline, unless it is there; returns its version and whether anything was registered.

    Raises:
        PublishError: the workspace lacks what the pipeline needs; nothing was registered.
        EngineError: the service refused something, or does not answer.
    """
    version = content_version(score, pipeline, root)
    if is_registered(workspace, str(pipeline["name"]), version):
        return version, False
    check(workspace, datastores)
    environment = _register_environment(workspace, conda_file(root))
    component = _register_score(workspace, {**score, "version": version}, environment, root)
    _register_pipeline(workspace, {**pipeline, "version": version}, component)
    return version, True


def is_registered(workspace: Workspace, name: str, version: str) -> bool:
    """Whether this version of a component is there: one call."""
    return _found(workspace, workspace.client.components, name, version)


def _register_environment(workspace: Workspace, conda: dict[str, Any]) -> str:
    from azure.ai.ml.entities import Environment

    version = environment_version(conda)
    if not _found(workspace, workspace.client.environments, NAME, version):
        environment = Environment(
            name=NAME, version=version, image=IMAGE, conda_file=conda, description="What scoring needs"
        )
        with workspace.asked(f"cannot register environment {NAME}:{version}"):
            workspace.client.environments.create_or_update(environment)
    return f"azureml:{NAME}:{version}"


def _register_score(workspace: Workspace, document: Document, environment: str, root: Path) -> str:
    """Upload the code and register the step component; returns its full id."""
    with tempfile.TemporaryDirectory(prefix="fleet-scoring-") as name:
        folder = Path(name)
        copy_code(folder / "code", root)
        ready = {**document, "code": "./code", "environment": environment, "is_deterministic": False}
        return _register(workspace, ready, folder)


def _register_pipeline(workspace: Workspace, document: Document, component: str) -> None:
    """Register the pipeline component over the step component that is registered already."""
    ready = copy.deepcopy(dict(document))
    for node in ready["jobs"].values():
        node["component"] = f"azureml:{component}"
    with tempfile.TemporaryDirectory(prefix="fleet-scoring-") as name:
        _register(workspace, ready, Path(name))


def _register(workspace: Workspace, document: Document, folder: Path) -> str:
    from azure.ai.ml import load_component

    what = f"{document['name']}:{document['version']}"
    path = folder / "component.yml"
    path.write_text(yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True), "utf-8")
    # Whatever it is told, the client prints colours for its upload. Its own validation is left out because
    # it takes as long as all the rest: documents are validated when they are built, and by the service.
    with workspace.asked(f"cannot register component {what}"), contextlib.redirect_stderr(io.StringIO()):
        made = workspace.client.components.create_or_update(load_component(path), skip_validation=True)
    return str(made.id)


def _found(workspace: Workspace, operations: Any, name: str, version: str) -> bool:
    from azure.core.exceptions import HttpResponseError

    with workspace.asked(f"cannot look up {name}:{version}"):
        try:
            operations.get(name=name, version=version)
        except HttpResponseError as error:
            if is_missing(error):
                return False
            raise
    return True
