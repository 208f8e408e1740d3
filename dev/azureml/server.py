"""The emulator itself: a table of routes, and a record of calls."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from dev.azureml.answers import Answer, Call, Refusal, no_resource
from dev.azureml.assets import Assets
from dev.azureml.certificate import make_certificate
from dev.azureml.execution import Execution
from dev.azureml.faults import Fault, Faults, Kind
from dev.azureml.history import History
from dev.azureml.identity import Identity
from dev.azureml.infrastructure import Infrastructure
from dev.azureml.jobs import Jobs
from dev.azureml.listener import LOOPBACK, Listener
from dev.azureml.schedules import Schedules
from dev.azureml.schemas import FOLDER, Schemas
from dev.azureml.storage import Storage
from dev.azureml.workspace import DEFAULT_CONTAINER, Scope, Workspace

DEFAULT_LIFETIME = 3600
VERSIONS = {
    "": {"2023-08-01-preview", "2024-10-01-preview"},
    "environments": {"2023-04-01-preview"},
    "codes": {"2023-04-01"},
    "components": {"2024-01-01-preview"},
    "batchEndpoints": {"2023-10-01", "2024-01-01-preview", "2023-02-01-preview"},
    "jobs": {"2024-01-01-preview", "2023-04-01-preview"},
    "computes": {"2023-08-01-preview"},
    "datastores": {"2024-10-01-preview"},
    "schedules": {"2023-06-01-preview"},
}
"""The api-versions that azure-ai-ml 1.35 uses for each kind; others are rejected."""

OPEN = ("/msi/", "/discovery", "/logs/")
"""Paths that need no token."""

type Handler = Callable[[Call], Answer]


class Emulator:
    """A running emulator; use it with `with`."""

    def __init__(
        self,
        connection: str,
        *,
        scope: Scope | None = None,
        port: int = 0,
        processes: int = 2,
        lifetime: int = DEFAULT_LIFETIME,
        schemas: Path = FOLDER,
    ) -> None:
        """The storage account at `connection` is the workspace's own.

        Args:
            connection: connection string of an Azurite.
            scope: where the workspace claims to be.
            port: where to listen; 0 picks a free one.
            processes: how many steps run at once; with 0, jobs are accepted and never run.
            lifetime: seconds for which its tokens are valid.
            schemas: folder of the schemas that bodies are checked against, if it exists.
        """
        self.faults = Faults()
        self.identity = Identity(lifetime)
        self.schemas = Schemas(schemas)
        self.workspace = Workspace(scope or Scope(), Storage(connection))
        self._folder = tempfile.TemporaryDirectory(prefix="azureml-emulator-")
        self.execution = Execution(self.workspace, self.faults, processes, Path(self._folder.name))
        self.jobs = Jobs(self.workspace, self.execution.start)
        self.schedules = Schedules(self.workspace, self.jobs)
        self.requests: list[str] = []
        """`METHOD path` of each call so far, without those for tokens."""
        self.port = port
        self._routes = self._table()
        self.certificate, self._key = make_certificate(Path(self._folder.name))

    @property
    def url(self) -> str:
        """Where it listens."""
        return self.workspace.url

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to take the emulator for Azure."""
        scope = self.workspace.scope
        return {
            "AZUREML_DEV_URL_MFE": self.url,
            "REQUESTS_CA_BUNDLE": str(self.certificate),
            "IDENTITY_ENDPOINT": f"{self.url}/msi/token",
            "IDENTITY_HEADER": self.identity.header,
            "AZURE_SUBSCRIPTION_ID": scope.subscription,
            "AZURE_RESOURCE_GROUP": scope.resource_group,
            "AZUREML_WORKSPACE_NAME": scope.workspace,
        }

    def __enter__(self) -> Self:
        self.workspace.storage.make_container(DEFAULT_CONTAINER)
        self._listener = Listener(self._serve, self.port, self.certificate, self._key)
        self.port = self._listener.port
        self.workspace.url = f"https://{LOOPBACK}:{self.port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.execution.stop()
        self._listener.close()
        self.workspace.storage.client.close()
        self._folder.cleanup()

    def reset(self) -> None:
        """Forget all but what publishing has registered, and reset faults and options."""
        self.execution.settle()
        self.workspace.forget(("datastores", "computes", "batchEndpoints", "schedules"))
        self.jobs.jobs.clear()
        self.jobs.duplicates = "same"
        self.faults.clear()
        self.identity.lifetime = DEFAULT_LIFETIME
        self.requests.clear()

    def _serve(self, call: Call) -> Answer | None:
        """Record the call and respond to it, unless a fault is due."""
        line = f"{call.method} {call.path}"
        fault = self.faults.take(line)
        if not call.path.startswith("/msi/"):
            self.requests.append(line)
        if fault and fault.kind is Kind.STATUS:
            return _broken(fault)
        if fault and fault.kind is Kind.CUT_BEFORE:
            return None
        answer = self._answer(call)
        return None if fault else answer

    def _answer(self, call: Call) -> Answer:
        try:
            for method, pattern, handler in self._routes:
                if method == call.method and (found := pattern.fullmatch(call.path)):
                    self._check(call)
                    return handler(replace(call, names=found.groupdict()))
            raise self._unknown(call)
        except Refusal as refusal:
            return refusal.answer()

    def _check(self, call: Call) -> None:
        """Check the token and the api-version, where they are required."""
        if call.path.startswith(OPEN):
            return
        self.identity.check(call)
        kind = call.path.removeprefix(self.workspace.scope.id).strip("/").split("/")[0]
        if call.method == "PUT" and kind == "jobs":
            self.identity.check_job(call)
        version = call.query.get("api-version")
        if kind in VERSIONS and version not in VERSIONS[kind]:
            raise Refusal(
                400,
                "InvalidApiVersionParameter",
                f"The api-version '{version}' is invalid for workspaces/{kind}. The supported versions are "
                f"'{', '.join(sorted(VERSIONS[kind]))}'.",
            )
        if call.method == "PUT":
            self.schemas.check(call, self.workspace.scope.id)

    def _unknown(self, call: Call) -> Refusal:
        """The error for other groups and workspaces, and for what the emulator does not support."""
        inside = call.path.startswith(f"{self.workspace.scope.id}/") or call.path == self.workspace.scope.id
        if call.path.startswith("/subscriptions/") and not inside:
            parts = call.path.split("/")
            return no_resource("/".join(parts[:9]))
        return Refusal(404, "NotEmulated", f"This emulator does not support {call.method} {call.path}.")

    def _table(self) -> list[tuple[str, re.Pattern[str], Handler]]:
        assets, things = Assets(self.workspace), Infrastructure(self.workspace)
        jobs, history = self.jobs, History(self.workspace, self.jobs)
        versions = r"(?P<name>[^/]+)/versions"
        version = rf"{versions}/(?P<version>[^/]+)"
        endpoint = r"batchEndpoints/(?P<name>[^/]+)"
        inside: list[tuple[str, str, Handler]] = [
            ("GET", "", things.get_workspace),
            ("PUT", f"environments/{version}", assets.put_environment),
            ("GET", f"environments/{version}", assets.get_environment),
            ("GET", f"codes/{versions}", assets.find_code),
            ("POST", f"codes/{version}/startPendingUpload", assets.start_upload),
            ("PUT", f"codes/{version}", assets.put_code),
            ("GET", f"codes/{version}", assets.get_code),
            ("PUT", f"components/{version}", assets.put_component),
            ("GET", f"components/{version}", assets.get_component),
            ("GET", f"components/{versions}", assets.list_components),
            ("PUT", r"jobs/(?P<name>[^/]+)", jobs.put),
            ("GET", r"jobs/(?P<name>[^/]+)", jobs.get),
            ("GET", r"jobs", jobs.list),
            ("POST", r"jobs/(?P<name>[^/]+)/cancel", jobs.cancel),
            ("PUT", r"datastores/[^/]+", things.put_datastore),
            ("PUT", r"computes/[^/]+", things.put_compute),
            ("PUT", r"schedules/(?P<name>[^/]+)", self.schedules.put),
            ("DELETE", r"schedules/(?P<name>[^/]+)", self.schedules.delete),
            ("GET", r"(datastores|computes|batchEndpoints|schedules)/[^/]+", things.get),
            ("GET", r"(datastores|computes|batchEndpoints|schedules)", things.list),
            ("PUT", endpoint, things.put_endpoint),
            ("PUT", f"{endpoint}/deployments/[^/]+", things.put_deployment),
            ("GET", f"{endpoint}/deployments/[^/]+", things.get),
            ("DELETE", f"{endpoint}/deployments/[^/]+", things.delete_deployment),
            ("GET", f"{endpoint}/deployments", things.list),
        ]
        root = re.escape(self.workspace.scope.id)
        run = rf"/history/v1\.0{root}/runs/(?P<run>[^/]+)"
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/msi/token", self.identity.token),
            ("GET", "/discovery", history.discovery),
            ("GET", "/logs/(?P<run>[^/]+)", history.log),
            ("GET", f"{run}/children", history.children),
            ("GET", f"{run}/details", history.details),
        ]
        table += [(method, f"{root}/{path}" if path else root, handler) for method, path, handler in inside]
        return [(method, re.compile(pattern), handler) for method, pattern, handler in table]


def _broken(fault: Fault) -> Answer:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    code = "TooManyRequests" if fault.status == 429 else "ServiceError"  # noqa: PLR2004
    answer = Refusal(fault.status, code, f"The emulator was set to answer {fault.status}.").answer()
    return replace(answer, headers=headers)
