"""One Azure ML workspace through azure-ai-ml: its client, its ids, and the SDK's exceptions as ours."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.errors import EngineError
from pipeline.redact import hushed, tellable
from pipeline.settings import AzureMLWorkspace
from pipeline.storage.sdk_errors import root_cause

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

TRIES = 4
"""Further tries of a call after 429, 500 to 504 or a broken connection."""
FIRST_WAIT = 0.4
LONGEST_WAIT = 20.0
"""Longest wait before a further try, in seconds, whatever Retry-After says: a function has minutes."""
CONNECT_SECONDS, ANSWER_SECONDS = 5, 60
_SIGN_IN = (
    "sign in with az login, or give this app's identity the role AzureML Data Scientist on the workspace"
)

logger = logging.getLogger("pipeline.azureml")


class Workspace:
    """The workspace that the settings name; nothing is imported or sent before it is used."""

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
        """Full id of a component: the one form that goes over the wire as it is."""
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

        # It tells of each request, and of each experimental class that it uses itself; and what is not found
        # is an error to it, in loggers with a level of their own.
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
    def asked(self, doing: str) -> Iterator[None]:
        """Raise our exception for any of the SDK's; `doing` says what is tried."""
        from azure.ai.ml.exceptions import MlException
        from azure.core.exceptions import AzureError, DeserializationError, SerializationError

        try:
            yield
        except (AzureError, MlException, DeserializationError, SerializationError) as error:
            raise self._translated(error, doing) from tellable(error)

    def found[Answer](self, doing: str, look: Callable[[], Answer]) -> Answer | None:
        """What `look` asks the SDK for, or None where the workspace has no such thing."""
        from azure.core.exceptions import HttpResponseError

        with self.asked(doing):
            try:
                return look()
            except HttpResponseError as error:
                if is_missing(error):
                    return None
                raise

    def _translated(self, error: Exception, doing: str) -> EngineError:
        from azure.core import exceptions as azure

        name = f"Azure ML workspace {self.where.workspace!r}"
        status = status_of(error)
        if isinstance(error, azure.ClientAuthenticationError) or status in {401, 403}:
            return EngineError(f"{doing}: {name} refuses the credential ({said(error)}): {_SIGN_IN}")
        if is_missing_workspace(error):
            group, subscription = self.where.resource_group, self.where.subscription
            return EngineError(
                f"{doing}: there is no {name} in resource group {group!r} of subscription {subscription}: "
                "create it, or set AZUREML_WORKSPACE_NAME, AZURE_RESOURCE_GROUP and AZURE_SUBSCRIPTION_ID"
            )
        if isinstance(error, azure.ServiceRequestError | azure.ServiceResponseError):
            return EngineError(f"{doing}: {name} gives no answer ({root_cause(error)}): try later")
        if status == 429 or status >= 500:  # noqa: PLR2004
            return EngineError(f"{doing}: {name} answers {status} again and again: try later")
        return EngineError(f"{doing}: {name} answers: {said(error)}")


def status_of(error: Exception) -> int:
    """The HTTP status that an exception stands for; 0 where it stands for none."""
    return int(getattr(error, "status_code", None) or 0)


def is_missing(error: "HttpResponseError") -> bool:
    """Whether the workspace is there and what was asked for is not."""
    return status_of(error) == 404 and not is_missing_workspace(error)  # noqa: PLR2004


def is_missing_workspace(error: Exception) -> bool:
    """Whether Azure knows no such workspace, group or subscription."""
    code = getattr(getattr(error, "error", None), "code", None)
    return code in {"ResourceNotFound", "ResourceGroupNotFound", "SubscriptionNotFound"}


def said(error: Exception) -> str:
    """What the service said, in one line."""
    message = getattr(getattr(error, "error", None), "message", None) or str(error)
    return hushed(" ".join(str(message).split()))[:300] or type(error).__name__


def _transport() -> Any:
    """The SDK's usual transport; it waits between tries, so it is where waits are bounded and told."""
    from azure.core.pipeline.transport import RequestsTransport

    class Transport(RequestsTransport):  # type: ignore[misc]  # azure.core tells no types
        def sleep(self, duration: float) -> None:
            wait = min(duration, LONGEST_WAIT)
            logger.warning("Azure ML is busy or gave no answer: trying again in %.1f s", wait)
            super().sleep(wait)

    return Transport(connection_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS)
