"""A batch endpoint for the published pipeline, for external callers.

The triggers never use it: a caller cannot name the job of a batch endpoint, so an event that is delivered
twice would be scored twice. Each invocation of the endpoint creates a job.

The endpoint has a deployment for each of the last published versions; one of them is the default, and going
back to an earlier version only changes the default.
"""

import hashlib
from typing import Any

from pipeline.engines.azureml.workspace import Workspace
from pipeline.errors import PublishError

KEPT = 5
"""Deployments behind the endpoint; Azure ML allows 20, and each new published version needs one."""


def endpoint_name(workspace: Workspace) -> str:
    """Name of the endpoint: names are unique in a region, so it is made from the workspace's id."""
    return f"fleet-scoring-{hashlib.sha256(workspace.arm_id.lower().encode()).hexdigest()[:8]}"


def deploy(workspace: Workspace, component_id: str, version: str) -> str:
    """Put a registered pipeline behind the endpoint and make it the default; returns the endpoint's name."""
    from azure.ai.ml.entities import BatchEndpoint, PipelineComponentBatchDeployment

    name = endpoint_name(workspace)
    found = _deployments(workspace)
    if version not in {one.name for one in found or ()}:
        if found is None:
            with workspace.translated(f"cannot create batch endpoint {name!r}"):
                workspace.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result()
        else:
            _remove_old(workspace, found)
        deployment = PipelineComponentBatchDeployment(
            name=version,
            endpoint_name=name,
            component=component_id,
            settings={  # a map of texts to the service, and the SDK sends them as they are
                "default_compute": workspace.where.compute,
                "continue_on_step_failure": "True",
                "force_rerun": "True",
            },
        )
        with workspace.translated(f"cannot deploy {version} behind batch endpoint {name!r}"):
            workspace.client.batch_deployments.begin_create_or_update(deployment).result()
    _make_default(workspace, version)
    return name


def roll_back(workspace: Workspace, version: str) -> str:
    """Make an earlier deployment the default again; returns the endpoint's name.

    Raises:
        PublishError: there is no such deployment.
    """
    found = deployments(workspace)
    if version not in found:
        there = ", ".join(sorted(found)) or "none: run python -m pipeline publish --endpoint"
        raise PublishError(
            f"batch endpoint {endpoint_name(workspace)!r} has no deployment {version!r}; there are: {there}"
        )
    _make_default(workspace, version)
    return endpoint_name(workspace)


def deployments(workspace: Workspace) -> set[str]:
    """Names of the deployments behind the endpoint: the published versions."""
    return {str(one.name) for one in _deployments(workspace) or ()}


def _deployments(workspace: Workspace) -> list[Any] | None:
    """The deployments behind the endpoint; None where there is no endpoint yet."""
    name = endpoint_name(workspace)
    failure = f"cannot list deployments of batch endpoint {name!r}"
    return workspace.find(failure, lambda: list(workspace.client.batch_deployments.list(endpoint_name=name)))


def _remove_old(workspace: Workspace, found: list[Any]) -> None:
    """Make room for one more deployment: the oldest go, but never the default."""
    client, name = workspace.client, endpoint_name(workspace)
    with workspace.translated(f"cannot remove old deployments of batch endpoint {name!r}"):
        defaults = client.batch_endpoints.get(name).defaults
        default = defaults.deployment_name if defaults else None
        others = [one for one in found if one.name != default]
        others.sort(key=lambda one: one.creation_context.created_at, reverse=True)
        for one in others[KEPT - 2 :]:
            client.batch_deployments.begin_delete(name=one.name, endpoint_name=name).result()


def _make_default(workspace: Workspace, version: str) -> None:
    from azure.ai.ml.entities import BatchEndpoint

    name = endpoint_name(workspace)
    endpoint = BatchEndpoint(name=name, defaults={"deployment_name": version})
    with workspace.translated(f"cannot make {version} the default of batch endpoint {name!r}"):
        workspace.client.batch_endpoints.begin_create_or_update(endpoint).result()
