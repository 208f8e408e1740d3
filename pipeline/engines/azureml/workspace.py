"""One Azure ML workspace through azure-ai-ml: its client, its ids, and translated exceptions."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.errors import EngineError, EngineUnreachable
from pipeline.redact import redacted, safe_cause
from pipeline.settings import AzureMLWorkspace
from pipeline.storage.sdk_errors import root_cause

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

TRIES = 4
"""Further tries of a call after 429, 500 to 504 or a broken connection."""
FIRST_WAIT = 0.4
LONGEST_WAIT = 20.0
"""Longest wait before a further try, in seconds, for any Retry-After: a function has minutes."""
CONNECT_SECONDS, ANSWER_SECONDS = 5, 60
_SIGN_IN = (
    "sign in with az login, or give this app's identity the role AzureML Data Scientist on the workspace"
)

_IN_WORKSPACE = re.compile(r"'Microsoft\.MachineLearningServices/workspaces/[^'/]+/[^']", re.IGNORECASE)

logger = logging.getLogger("pipeline.azureml")


class Workspace:
    """The workspace of the settings; it imports and sends nothing before it is used."""

    def __init__(self, where: AzureMLWorkspace, client_id: str | None = None) -> None:
        """`client_id` is that of the user-assigned identity, where there is one."""
        self.where = where
        self.client_id = client_id

    @property
    def arm_id(self) -> str:
        """The workspace's full id."""
        where = self.where
        return (
            f"/subscriptions/{where.subscription}/resourceGroups/{where.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{where.workspace}"
        )

    def component_id(self, name: str, version: str) -> str:
        """Full id of a component: the only form that the SDK sends unchanged."""
        return f"{self.arm_id}/components/{name}/versions/{version}"

    @property
    def compute_id(self) -> str:
        """Full id of the cluster that steps run on."""
        return f"{self.arm_id}/computes/{self.where.compute}"

    @cached_property
    def client(self) -> Any:
        """The SDK's client: importing it takes a second, making it sends nothing."""
        from azure.ai.ml import MLClient
        from azure.identity import DefaultAzureCredential

        # The SDK logs each request and each experimental class that it uses itself, and logs errors for
        # missing objects, in loggers with their own levels.
        for chatty in ("azure.ai.ml", "azure.identity", "azure.core.pipeline.policies.http_logging_policy"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        logging.getLogger("azure.ai.ml._telemetry").propagate = False
        return MLClient(
            DefaultAzureCredential(managed_identity_client_id=self.client_id),
            self.where.subscription,
            self.where.resource_group,
            self.where.workspace,
            enable_telemetry=False,
            show_progress=False,
            transport=_transport(),
            retry_total=TRIES,
            retry_status=TRIES,
            retry_backoff_factor=FIRST_WAIT,
            retry_backoff_max=LONGEST_WAIT,
        )

    @contextmanager
    def translated(self, failure: str) -> Iterator[None]:
        """Raise our exception for any of the SDK; `failure` says what could not be done."""
        from azure.ai.ml.exceptions import MlException
        from azure.core.exceptions import AzureError, DeserializationError, SerializationError

        try:
            yield
        except (AzureError, MlException, DeserializationError, SerializationError) as error:
            raise self._translate(error, failure) from safe_cause(error)

    def find[Answer](self, failure: str, request: Callable[[], Answer]) -> Answer | None:
        """The answer of the SDK to `request`; None if what it asks for is not in the workspace."""
        from azure.core.exceptions import HttpResponseError

        with self.translated(failure):
            try:
                return request()
            except HttpResponseError as error:
                if is_missing(error):
                    return None
                raise

    def _translate(self, error: Exception, failure: str) -> EngineError:
        from azure.core import exceptions as azure

        name = f"Azure ML workspace {self.where.workspace!r}"
        status = status_of(error)
        if isinstance(error, azure.ClientAuthenticationError) or status in {401, 403}:
            return EngineError(f"{failure}: {name} refuses the credential ({message_of(error)}): {_SIGN_IN}")
        if is_missing_workspace(error):
            group, subscription = self.where.resource_group, self.where.subscription
            return EngineError(
                f"{failure}: there is no {name} in resource group {group!r} of subscription {subscription}: "
                "create it, or set AZUREML_WORKSPACE_NAME, AZURE_RESOURCE_GROUP and AZURE_SUBSCRIPTION_ID"
            )
        if isinstance(error, azure.ServiceRequestError | azure.ServiceResponseError):
            return EngineUnreachable(
                f"{failure}: {name} does not respond ({root_cause(error)}); try again later"
            )
        if status in {408, 429} or status >= 500:  # noqa: PLR2004
            return EngineUnreachable(f"{failure}: {name} keeps returning {status}; try again later")
        return EngineError(f"{failure}: {name} returned: {message_of(error)}")


def status_of(error: Exception) -> int:
    """The HTTP status of an exception; 0 if it has none."""
    return int(getattr(error, "status_code", None) or 0)


def is_missing(error: "HttpResponseError") -> bool:
    """Whether the workspace exists, but not what was requested."""
    return status_of(error) == 404 and not is_missing_workspace(error)  # noqa: PLR2004


def is_missing_workspace(error: Exception) -> bool:
    """Whether Azure knows no such workspace, group or subscription.

    Azure Resource Manager has one code for a missing workspace and for a missing resource in a workspace. The
    message names the resource: the second kind has a type below `workspaces`.
    """
    answer = getattr(error, "error", None)
    code = getattr(answer, "code", None)
    if code in {"ResourceNotFound", "ParentResourceNotFound"}:
        return not _IN_WORKSPACE.search(str(getattr(answer, "message", "")))
    return code in {"ResourceGroupNotFound", "SubscriptionNotFound"}


def message_of(error: Exception) -> str:
    """The message of the service, in one line."""
    message = getattr(getattr(error, "error", None), "message", None) or str(error)
    return redacted(" ".join(str(message).split()))[:300] or type(error).__name__


def _transport() -> Any:
    """The default transport of the SDK; it waits between tries, so waits are limited and logged here."""
    from azure.core.pipeline.transport import RequestsTransport

    class Transport(RequestsTransport):  # type: ignore[misc]  # azure.core has no types
        def sleep(self, duration: float) -> None:
            wait = min(duration, LONGEST_WAIT)
            logger.warning("Azure ML is busy or does not respond: trying again in %.1f s", wait)
            super().sleep(wait)

    return Transport(connection_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS)
