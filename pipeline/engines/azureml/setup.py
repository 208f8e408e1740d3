"""Sets up a workspace: a cluster, and a datastore for each container."""

import re
from dataclasses import dataclass
from typing import Any

from pipeline.engines.azureml.workspace import Workspace
from pipeline.errors import PublishError
from pipeline.settings import Containers

CLUSTER_SIZE = "Standard_D2ds_v4"
"""Two processors, 8 GB, and a disk of its own for the image."""
MAX_NODES = 4
IDLE_SECONDS = 120
"""A node is released after this time without work; an idle cluster costs nothing."""

_READS, _WRITES, _PULLS = "Storage Blob Data Reader", "Storage Blob Data Contributor", "AcrPull"
_SIZE = re.compile(r"Standard_(?P<family>[A-Z]+)(?P<number>\d+)(?:-(?P<fewer>\d+))?\w*", re.IGNORECASE)
_SECOND_D = {1: 1, 2: 2, 3: 4, 4: 8, 5: 16, 11: 2, 12: 4, 13: 8, 14: 16, 15: 20}
_SETUP = "run python -m pipeline publish --setup"


@dataclass(frozen=True, slots=True)
class Datastores:
    """Names of the datastores, one for each container; they do not depend on the names of containers."""

    account: str
    containers: Containers
    data: str = "scoring_data"
    models: str = "scoring_models"
    preds: str = "scoring_preds"
    runs: str = "scoring_runs"

    def places(self) -> dict[str, tuple[str, str]]:
        """Account and container of each datastore."""
        containers = self.containers
        return {
            self.data: (self.account, containers.data),
            self.models: (self.account, containers.models),
            self.preds: (self.account, containers.preds),
            self.runs: (self.account, containers.runs),
        }


def datastore_uri(datastore: str, path: str = "") -> str:
    """URI of a path on a datastore, in the short form without a subscription."""
    return f"azureml://datastores/{datastore}/paths/{path}"


def check(workspace: Workspace, datastores: Datastores) -> None:
    """Check that the workspace has all that a pipeline needs: two calls.

    Raises:
        PublishError: something is missing; the message names all of it.
        EngineError: there is no such workspace, or it does not respond.
    """
    compute = workspace.where.compute
    problems = []
    if not has_compute(workspace):
        problems.append(f"there is no compute {compute!r}")
    found = existing(workspace)
    for name, place in datastores.places().items():
        if name not in found:
            problems.append(f"there is no datastore {name!r} for container {place[1]!r}")
        elif found[name] != place:
            is_at, should = "/".join(found[name]), "/".join(place)
            problems.append(f"datastore {name!r} is for {is_at}, not for {should}: delete it")
    if problems:
        where = f"Azure ML workspace {workspace.where.workspace!r}"
        raise PublishError(f"{where} is not ready: {'; '.join(problems)}; then {_SETUP}")


def set_up(workspace: Workspace, datastores: Datastores) -> list[str]:
    """Create what is missing; returns a line for each."""
    from azure.ai.ml.entities import AmlCompute, AzureBlobDatastore, IdentityConfiguration

    created = []
    compute = workspace.where.compute
    if not has_compute(workspace):
        cluster = AmlCompute(
            name=compute,
            size=CLUSTER_SIZE,
            min_instances=0,
            max_instances=MAX_NODES,
            idle_time_before_scale_down=IDLE_SECONDS,
            identity=IdentityConfiguration(type="system_assigned"),
        )
        with workspace.translated(f"cannot create compute {compute!r}"):
            workspace.client.compute.begin_create_or_update(cluster).result()
        created.append(f"compute {compute}: 0 to {MAX_NODES} nodes of {CLUSTER_SIZE}, its own identity")
    found = existing(workspace)
    for name, (account, container) in datastores.places().items():
        if name in found:
            continue
        # Without credentials: steps read and write with the cluster's identity.
        datastore = AzureBlobDatastore(name=name, account_name=account, container_name=container)
        with workspace.translated(f"cannot create datastore {name!r}"):
            workspace.client.datastores.create_or_update(datastore)
        created.append(f"datastore {name}: container {container} of {account}, no credentials")
    return created


def grants(workspace: Workspace, datastores: Datastores) -> list[str]:
    """The commands that let the cluster's identity read inputs and write results, a role assignment each."""
    compute, subscription = workspace.where.compute, workspace.where.subscription
    with workspace.translated(f"cannot look up the identity of compute {compute!r}"):
        identity = workspace.client.compute.get(compute).identity
        registry = workspace.client.workspaces.get(workspace.where.workspace).container_registry
    principals = _principals(identity)
    if not principals:
        return [f"# compute {compute!r} has no identity: give it one, or steps cannot read without keys"]
    account = f"$(az storage account show --subscription {subscription} --name {datastores.account}"
    lines = []
    for principal in principals:
        assign = (
            f"az role assignment create --assignee-object-id {principal} "
            "--assignee-principal-type ServicePrincipal"
        )
        for name, (_, container) in datastores.places().items():
            role = _WRITES if name == datastores.preds else _READS
            scope = f"{account} --query id --output tsv)/blobServices/default/containers/{container}"
            lines.append(f'{assign} --role "{role}" --scope "{scope}"')
        if registry:
            lines.append(f'{assign} --role "{_PULLS}" --scope "{registry}"')
    return lines


def _principals(identity: Any | None) -> list[str]:
    if identity is None:
        return []
    assigned = identity.user_assigned_identities or []
    found = [identity.principal_id, *(one.principal_id for one in assigned)]
    return [str(one) for one in found if one]


def processors(workspace: Workspace) -> int:
    """The processors of all nodes that the cluster can have.

    Raises:
        PublishError: there is no such cluster, or the number of processors of its size is unknown.
        EngineError: the workspace does not respond.
    """
    compute = workspace.where.compute
    failure = f"cannot look up compute {compute!r}"
    found = workspace.find(failure, lambda: workspace.client.compute.get(compute))
    if found is None:
        raise PublishError(f"there is no compute {compute!r}: {_SETUP}")
    size = str(getattr(found, "size", None))
    count = processors_of(size)
    if count is None:
        raise PublishError(
            f"compute {compute!r}: the number of processors of its size {size} is unknown: set SCORING_SHARDS"
        )
    return count * max(1, int(getattr(found, "max_instances", None) or 1))


def processors_of(size: str) -> int | None:
    """The processors of a virtual machine, by the name of its size; None if the name does not say.

    The number in a name is the number of processors, except for the second generation of D, which counts its
    sizes. Azure has a list, but reading it needs a role on the subscription, and publishing does not.
    """
    found = _SIZE.fullmatch(size)
    if not found:
        return None
    number = int(found["fewer"] or found["number"])
    if found["family"].upper() in {"D", "DS"} and size.lower().endswith("_v2"):
        return _SECOND_D.get(number)
    return number


def has_compute(workspace: Workspace) -> bool:
    """Whether the cluster of the settings exists."""
    name = workspace.where.compute
    failure = f"cannot look up compute {name!r}"
    return workspace.find(failure, lambda: workspace.client.compute.get(name)) is not None


def existing(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """Account and container of each existing blob datastore."""
    with workspace.translated("cannot list datastores"):
        found: list[Any] = list(workspace.client.datastores.list())
    return {
        one.name: (str(one.account_name), str(one.container_name))
        for one in found
        if getattr(one, "container_name", None)
    }
