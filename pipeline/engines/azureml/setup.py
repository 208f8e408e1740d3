"""What a workspace needs before anything is registered in it: a cluster, a datastore per container."""

from dataclasses import dataclass
from typing import Any

from pipeline.engines.azureml.workspace import Workspace
from pipeline.errors import PublishError
from pipeline.settings import Containers

CLUSTER_SIZE = "Standard_DS2_v2"
MAX_NODES = 4
IDLE_SECONDS = 120
"""After so long without work a node is given back; with none at work the cluster costs nothing."""

_SETUP = "run python -m pipeline publish --setup"


@dataclass(frozen=True, slots=True)
class Datastores:
    """Names of the datastores: one for each container, whatever the containers are called."""

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
    """Where steps find or put something, in the short form that names no subscription."""
    return f"azureml://datastores/{datastore}/paths/{path}"


def check(workspace: Workspace, datastores: Datastores) -> None:
    """Look whether the workspace has all that a pipeline needs: two calls.

    Raises:
        PublishError: it does not; the message names all that is missing.
        EngineError: there is no such workspace, or it cannot be asked.
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
            problems.append(f"datastore {name!r} stands for {is_at}, not for {should}: delete it")
    if problems:
        where = f"Azure ML workspace {workspace.where.workspace!r}"
        raise PublishError(f"{where} is not ready: {'; '.join(problems)}; then {_SETUP}")


def set_up(workspace: Workspace, datastores: Datastores) -> list[str]:
    """Create what is missing; returns a line for each thing that was created."""
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
        with workspace.asked(f"cannot create compute {compute!r}"):
            workspace.client.compute.begin_create_or_update(cluster).result()
        created.append(f"compute {compute}: 0 to {MAX_NODES} nodes of {CLUSTER_SIZE}, its own identity")
    found = existing(workspace)
    for name, (account, container) in datastores.places().items():
        if name in found:
            continue
        # Without credentials: steps read and write with the cluster's identity.
        datastore = AzureBlobDatastore(name=name, account_name=account, container_name=container)
        with workspace.asked(f"cannot create datastore {name!r}"):
            workspace.client.datastores.create_or_update(datastore)
        created.append(f"datastore {name}: container {container} of {account}, no credentials")
    return created


def has_compute(workspace: Workspace) -> bool:
    """Whether the cluster of the settings is there."""
    name = workspace.where.compute
    look = f"cannot look up compute {name!r}"
    return workspace.found(look, lambda: workspace.client.compute.get(name)) is not None


def existing(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """Account and container of each blob datastore that is there."""
    with workspace.asked("cannot list datastores"):
        found: list[Any] = list(workspace.client.datastores.list())
    return {
        one.name: (str(one.account_name), str(one.container_name))
        for one in found
        if getattr(one, "container_name", None)
    }
