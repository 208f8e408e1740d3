"""The one workspace of the emulator: everything that was registered in it, by ARM id."""

import re
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from dev.azureml.answers import Refusal, bad_argument, resource
from dev.azureml.storage import Storage

DEFAULT_DATASTORE, DEFAULT_CONTAINER = "workspaceblobstore", "azureml-blobstore"
PROVIDER = "providers/Microsoft.MachineLearningServices/workspaces"
DATASTORE_URI = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+/)?"
    r"datastores/(?P<datastore>[^/]+)/paths/(?P<path>.*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the workspace is, as its path begins."""

    subscription: str = "00000000-0000-0000-0000-000000000000"
    resource_group: str = "emulator"
    workspace: str = "emulator"

    @property
    def id(self) -> str:
        """The workspace's ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/{PROVIDER}/{self.workspace}"
        )


class Workspace:
    """What is registered; handlers hold `lock` while they read and write."""

    def __init__(self, scope: Scope, storage: Storage) -> None:
        self.scope = scope
        self.storage = storage
        self.url = ""
        """Where the emulator listens; known once it does."""
        self.registry: str | None = None
        """Id of its container registry: the service creates one when it first builds an image."""
        self.lock = threading.RLock()
        self.resources: dict[str, dict[str, Any]] = {}
        """What a GET of an id answers."""
        self.specs: dict[str, dict[str, Any]] = {}
        """Specifications of components as they were sent: what a GET answers leaves out their steps."""
        self._give_default_datastore()

    def id(self, *parts: str) -> str:
        """The ARM id of something in this workspace."""
        return "/".join((self.scope.id, *parts))

    def _give_default_datastore(self) -> None:
        """Every workspace comes with one."""
        path = self.id("datastores", DEFAULT_DATASTORE)
        properties = {
            "datastoreType": "AzureBlob",
            "accountName": self.storage.client.account_name,
            "containerName": DEFAULT_CONTAINER,
            "credentials": {"credentialsType": "None"},
            "isDefault": True,
        }
        self.resources[path] = resource(path, DEFAULT_DATASTORE, "datastores", properties)

    def forget(self, kinds: Collection[str]) -> None:
        """Remove everything of these kinds."""
        with self.lock:
            prefixes = tuple(f"{self.id(kind)}/" for kind in kinds)
            for path in [path for path in self.resources if path.startswith(prefixes)]:
                del self.resources[path]
                self.specs.pop(path, None)
            self._give_default_datastore()

    def find(self, path: str, missing: Refusal) -> dict[str, Any]:
        """The resource of this id; `missing` where there is none."""
        with self.lock:
            if path not in self.resources:
                raise missing
            return self.resources[path]

    def below(self, prefix: str) -> list[dict[str, Any]]:
        """All resources one level below `prefix`, sorted by id."""
        with self.lock:
            return [
                found
                for path, found in sorted(self.resources.items())
                if path.startswith(f"{prefix}/") and "/" not in path[len(prefix) + 1 :]
            ]

    def referred(self, reference: Any, kind: str) -> str:
        """The ARM id that a body refers to, as a plain or prefixed id, or as `azureml:name:version`."""
        text = str(reference)
        if found := re.fullmatch(r"azureml:(?P<name>[^/:@]+):(?P<version>[^/:]+)", text):
            text = self.id(kind, found["name"], "versions", found["version"])
        path = text.removeprefix("azureml:")
        with self.lock:
            known = path in self.resources or path in self.specs
        if f"/{kind}/" not in path or not known:
            raise bad_argument(
                f"The reference {text!r} names none of the {kind} of this workspace.", "NotFound"
            )
        return path

    def container(self, uri: str) -> tuple[str, str]:
        """The container and the path in it that a datastore URI stands for."""
        found = DATASTORE_URI.fullmatch(uri)
        if not found:
            raise bad_argument(f"{uri!r} is not a URI of the form azureml://datastores/NAME/paths/PATH.")
        datastore = self.find(
            self.id("datastores", found["datastore"]),
            bad_argument(f"Could not find datastore {found['datastore']!r} of {uri!r}.", "DatastoreNotFound"),
        )
        return str(datastore["properties"]["containerName"]), found["path"]
