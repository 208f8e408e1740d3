"""The workspace itself, its datastores, compute and batch endpoints: what exists before publishing."""

import uuid
from typing import Any

from dev.azureml.answers import Answer, Call, Refusal, bad_argument, no_resource, resource
from dev.azureml.workspace import Workspace

TRACKED = frozenset({"computes", "batchEndpoints", "deployments"})
"""Kinds that ARM itself keeps a list of: those with a location."""

MAX_DEPLOYMENTS = 20
"""Behind one endpoint."""


class Infrastructure:
    """Handlers of what a workspace consists of."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def get_workspace(self, _: Call) -> Answer:
        """The workspace."""
        scope, url = self.workspace.scope, self.workspace.url
        properties = {
            "discoveryUrl": f"{url}/discovery",
            "provisioningState": "Succeeded",
            "workspaceId": "0",
            "containerRegistry": self.workspace.registry,
        }
        body = resource(scope.id, scope.workspace, "", properties, location="local")
        return Answer(200, body | {"type": "Microsoft.MachineLearningServices/workspaces"})

    def get(self, call: Call) -> Answer:
        """Any resource with a unique name."""
        return Answer(200, self.workspace.find(call.path, _missing(call.path)))

    def list(self, call: Call) -> Answer:
        """All of one kind."""
        parent = call.path.rsplit("/", 1)[0]
        if parent != self.workspace.scope.id:
            self.workspace.find(parent, _missing(parent))
        return Answer(200, {"value": self.workspace.below(call.path)})

    def put_datastore(self, call: Call) -> Answer:
        """Register a container of blobs."""
        properties = call.body.get("properties", {})
        missing = [
            key
            for key in ("datastoreType", "accountName", "containerName", "credentials")
            if key not in properties
        ]
        if missing or properties["datastoreType"] != "AzureBlob":
            raise bad_argument(f"This emulator supports blob datastores only; missing: {missing}.")
        return self._put(call, "datastores", dict(properties))

    def put_compute(self, call: Call) -> Answer:
        """Register a cluster: nothing starts, it is a name and its settings."""
        properties = call.body.get("properties", {})
        if properties.get("computeType") != "AmlCompute":
            raise bad_argument("This emulator supports computes of type AmlCompute only.")
        if identity := call.body.get("identity"):
            principal = str(
                uuid.uuid5(uuid.NAMESPACE_URL, call.path)
            )  # a principal of the directory, made anew
            call.body["identity"] = {**identity, "principalId": principal, "tenantId": str(uuid.UUID(int=0))}
        return self._put(call, "computes", {**properties, "provisioningState": "Succeeded"})

    def put_endpoint(self, call: Call) -> Answer:
        """Make a batch endpoint, or change its default deployment."""
        properties = call.body.get("properties", {})
        default = (properties.get("defaults") or {}).get("deploymentName")
        if default and f"{call.path}/deployments/{default}" not in self.workspace.resources:
            raise bad_argument(f"The endpoint has no deployment {default!r}.", "DeploymentNotFound")
        return self._put(call, "batchEndpoints", {**properties, "provisioningState": "Succeeded"})

    def put_deployment(self, call: Call) -> Answer:
        """Put a pipeline component behind an endpoint."""
        properties = call.body.get("properties", {})
        endpoint = call.path.rsplit("/deployments/", 1)[0]
        self.workspace.find(endpoint, no_resource(endpoint))
        others = self.workspace.below(f"{endpoint}/deployments")
        if call.path not in self.workspace.resources and len(others) >= MAX_DEPLOYMENTS:
            raise bad_argument(f"An endpoint has at most {MAX_DEPLOYMENTS} deployments.", "DeploymentLimit")
        configuration = properties.get("deploymentConfiguration", {})
        component = (configuration.get("componentId") or {}).get("assetId", "")
        if self.workspace.specs.get(component, {}).get("type") != "pipeline":
            raise bad_argument(f"Not found pipeline component {component!r}.", "ComponentNotFound")
        shown = {"settings": {}, **configuration}
        body = {**properties, "deploymentConfiguration": shown, "provisioningState": "Succeeded"}
        return self._put(call, "batchEndpoints/deployments", body)

    def delete_deployment(self, call: Call) -> Answer:
        """Remove a deployment that is not the default of its endpoint."""
        endpoint, name = call.path.split("/deployments/")
        with self.workspace.lock:
            if call.path not in self.workspace.resources:
                return Answer(204, None)
            properties = self.workspace.find(endpoint, no_resource(endpoint))["properties"]
            if (properties.get("defaults") or {}).get("deploymentName") == name:
                raise bad_argument(f"Deployment {name!r} is the default: it cannot be deleted.")
            del self.workspace.resources[call.path]
        return Answer(200, None)

    def _put(self, call: Call, kind: str, properties: dict[str, Any]) -> Answer:
        name = call.path.rsplit("/", 1)[1]
        more = {key: call.body[key] for key in ("location", "tags", "identity") if key in call.body}
        with self.workspace.lock:
            status = 200 if call.path in self.workspace.resources else 201
            body = resource(call.path, name, kind, properties, **more)
            self.workspace.resources[call.path] = body
        return Answer(status, body)


def _missing(path: str) -> Refusal:
    kind, name = path.rsplit("/", 2)[1:]
    if kind in TRACKED:
        return no_resource(path)
    return Refusal(
        404, "UserError", f"Resource {kind}/{name} was not found in the workspace.", "NotFound", kind
    )
