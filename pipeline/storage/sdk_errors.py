"""The exceptions of storage's SDK become ours: the one place where they do."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import (
    Changed,
    ContainerMissing,
    LeaseHeld,
    NotFound,
    StorageDenied,
    StorageError,
    StorageUnreachable,
)
from pipeline.redact import hushed, tellable
from pipeline.settings import CONNECTION


@contextmanager
def translated(doing: str, address: str) -> Iterator[None]:
    """Raise our exception for any of the SDK's; `doing` says what is tried, `address` where."""
    from azure.core.exceptions import AzureError, DeserializationError, SerializationError

    try:
        yield
    except (AzureError, DeserializationError, SerializationError) as error:
        raise translate(error, doing, address) from tellable(error)


def translate(error: Exception, doing: str, address: str) -> StorageError:
    """Our exception for one of the SDK's."""
    from azure.core import exceptions as azure

    status: int = getattr(error, "status_code", None) or 0
    code = getattr(error, "error_code", None) or ""
    code = str(getattr(code, "value", code))
    reason = _first_line(error)
    # The SDK has this class for every 409, also for that of a blob in the archive tier, which cannot be read.
    exists = isinstance(error, azure.ResourceExistsError) and (not code or code.endswith("AlreadyExists"))
    rules: tuple[tuple[bool, type[StorageError], str], ...] = (
        (
            code == "ContainerNotFound",
            ContainerMissing,
            f"there is no such container at {address}: create it, or set the right name",
        ),
        (isinstance(error, azure.ResourceNotFoundError) or status == 404, NotFound, "there is no such blob"),  # noqa: PLR2004
        (code.startswith("Lease"), LeaseHeld, f"somebody else holds its lease ({code})"),
        (
            isinstance(error, azure.ClientAuthenticationError) or status in {401, 403},
            StorageDenied,
            f"{address} refuses the credential ({reason}): check {CONNECTION} and its roles",
        ),
        (
            exists or isinstance(error, azure.ResourceModifiedError) or status == 412,  # noqa: PLR2004
            Changed,
            f"somebody else was faster ({code or reason})",
        ),
        (
            is_no_answer(error),
            StorageUnreachable,
            f"{address} gives no answer ({root_cause(error)}): check that it is up, and {CONNECTION}",
        ),
        (
            status >= 500 or status in {408, 429},  # noqa: PLR2004
            StorageUnreachable,
            f"{address} answers {status} again and again: try later",
        ),
    )
    for applies, kind, advice in rules:
        if applies:
            return kind(f"{doing}: {advice}")
    return StorageError(f"{doing}: {address} answers: {reason}")


def is_no_answer(error: Exception) -> bool:
    """Whether the connection failed, or broke before the answer was whole."""
    from azure.core import exceptions as azure

    broken = (azure.ServiceRequestError, azure.ServiceResponseError, azure.IncompleteReadError)
    # The SDK's name for an answer that broke off in its body: an HTTP error without an answer.
    cut = type(error) is azure.HttpResponseError and getattr(error, "response", None) is None
    return cut or isinstance(error, broken)


def root_cause(error: BaseException) -> str:
    """What the network said, without the layers around it."""
    inner: BaseException | None = getattr(error, "inner_exception", None)
    error = inner or error
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return hushed((str(error).strip().splitlines() or [type(error).__name__])[0])[:300]
