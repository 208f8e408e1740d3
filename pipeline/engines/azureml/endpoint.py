"""A batch endpoint in front of the published pipeline, for callers outside.

The triggers never use it: an invocation of a batch endpoint cannot be given a name, so the same event told
twice would be scored twice. Whoever invokes the endpoint gets a job for each invocation.

A deployment per published version stays behind the endpoint; one of them is the default, and going back to
an earlier version only changes which.
"""

import hashlib

from pipeline.engines.azureml.workspace import Workspace
from pipeline.errors import PublishError


def endpoint_name(workspace: Workspace) -> str:
    """Name of the endpoint: names are unique in a region, so it is made from the workspace's id."""
    return f"fleet-scoring-{hashlib.sha256(workspace.arm_id.lower().encode()).hexdigest()[:8]}"


def deploy(workspace: Workspace, component_id: str, version: str) -> str:
    """Put a registered pipeline behind the endpoint and make it the default; returns the endpoint's name."""
    from azure.ai.ml.entities import BatchEndpoint, PipelineComponentBatchDeployment

    name = endpoint_name(workspace)
    if version not in deployments(workspace):
        with workspace.asked(f"cannot create batch endpoint {name!r}"):
            workspace.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name)).result()
        deployment = PipelineComponentBatchDeployment(
            name=version,
            endpoint_name=name,
            component=component_id,
            settings={
                "default_compute": workspace.where.compute,
                "continue_on_step_failure": True,
                "force_rerun": True,
            },
        )
        with workspace.asked(f"cannot deploy {version} behind batch endpoint {name!r}"):
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
    name = endpoint_name(workspace)

    def names() -> set[str]:
        return {str(one.name) for one in workspace.client.batch_deployments.list(endpoint_name=name)}

    return workspace.found(f"cannot list deployments of batch endpoint {name!r}", names) or set()


def _make_default(workspace: Workspace, version: str) -> None:
    from azure.ai.ml.entities import BatchEndpoint

    name = endpoint_name(workspace)
    endpoint = BatchEndpoint(name=name, defaults={"deployment_name": version})
    with workspace.asked(f"cannot make {version} the default of batch endpoint {name!r}"):
        workspace.client.batch_endpoints.begin_create_or_update(endpoint).result()
