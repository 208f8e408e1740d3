"""Translates the exceptions of the storage SDK into ours."""

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
from pipeline.redact import redacted, safe_cause
from pipeline.settings import CONNECTION

_CONTROL = ", and look for a blob with a control character in its name: Azurite cannot list it"


@contextmanager
def translated(doing: str, address: str) -> Iterator[None]:
    """Raise our exception for any of the SDK; `doing` says what was tried, `address` where."""
    from azure.core.exceptions import AzureError, DeserializationError, SerializationError

    try:
        yield
    except (AzureError, DeserializationError, SerializationError) as error:
        raise translate(error, doing, address) from safe_cause(error)


def translate(error: Exception, doing: str, address: str) -> StorageError:
    """Our exception for one of the SDK."""
    from azure.core import exceptions as azure

    status: int = getattr(error, "status_code", None) or 0
    code = getattr(error, "error_code", None) or ""
    code = str(getattr(code, "value", code))
    reason = _first_line(error)
    # The SDK uses this class for every 409, also that of a blob in the archive tier, which cannot be read.
    exists = isinstance(error, azure.ResourceExistsError) and (not code or code.endswith("AlreadyExists"))
    rules: tuple[tuple[bool, type[StorageError], str], ...] = (
        (
            code == "ContainerNotFound",
            ContainerMissing,
            f"there is no such container at {address}: create it, or correct its name in the settings",
        ),
        (
            status == 404 and not code,  # noqa: PLR2004
            StorageError,
            f"the server at {address} is not a storage service: check what listens there, and {CONNECTION}",
        ),
        (isinstance(error, azure.ResourceNotFoundError) or status == 404, NotFound, "there is no such blob"),  # noqa: PLR2004
        (code.startswith("Lease"), LeaseHeld, f"another process holds its lease ({code})"),
        (
            isinstance(error, azure.ClientAuthenticationError) or status in {401, 403},
            StorageDenied,
            f"{address} refuses the credential ({reason}): check {CONNECTION} and its roles",
        ),
        (
            exists or isinstance(error, azure.ResourceModifiedError) or status == 412,  # noqa: PLR2004
            Changed,
            f"another process was faster ({code or reason})",
        ),
        (
            is_no_answer(error),
            StorageUnreachable,
            f"{address} does not respond ({root_cause(error)}): check {_running(address)} and {CONNECTION}",
        ),
        (
            status >= 500 or status in {408, 429},  # noqa: PLR2004
            StorageUnreachable,
            f"{address} keeps returning {status}; try again later"
            + (_CONTROL if doing.startswith("listing ") and status == 500 else ""),  # noqa: PLR2004
        ),
    )
    for applies, kind, advice in rules:
        if applies:
            return kind(f"{doing}: {advice}")
    return StorageError(f"{doing}: {address} returned: {reason}")


def _running(address: str) -> str:
    """What to check of a service that does not respond."""
    is_here = "//127.0.0.1" in address or "//localhost" in address
    return "that it is running (make start starts Azurite)," if is_here else "that it is running,"


def is_no_answer(error: Exception) -> bool:
    """Whether the connection failed, or broke before the response was complete."""
    from azure.core import exceptions as azure

    broken = (azure.ServiceRequestError, azure.ServiceResponseError, azure.IncompleteReadError)
    # An interrupted body is an HTTP error without a response in the SDK.
    cut = type(error) is azure.HttpResponseError and getattr(error, "response", None) is None
    return cut or isinstance(error, broken)


def root_cause(error: BaseException) -> str:
    """The innermost message, without the layers around it."""
    inner: BaseException | None = getattr(error, "inner_exception", None)
    error = inner or error
    while (deeper := error.__cause__ or error.__context__) is not None:
        error = deeper
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return redacted((str(error).strip().splitlines() or [type(error).__name__])[0])[:300]
