"""Responses of the emulator: bodies and errors in the shapes that the service was recorded to use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as the handlers see it."""

    method: str
    path: str
    """Below the host, without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)
    """What the route took out of the path."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """An error response of the service."""

    def __init__(self, status: int, code: str, message: str, *inner: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.inner = inner

    def answer(self) -> Answer:
        """The error as the service words it: the codes that matter are nested in `additionalInfo`."""
        error: dict[str, Any] = {"code": self.code, "message": str(self), "details": []}
        if self.inner:
            nested: dict[str, Any] | None = None
            for code in reversed(self.inner):
                nested = {"code": code, "innerError": nested}
            error["additionalInfo"] = [
                {"type": "ComponentName", "info": {"value": "managementfrontend"}},
                {"type": "Environment", "info": {"value": "emulator"}},
                {"type": "Time", "info": {"value": now_text()}},
                {"type": "InnerError", "info": {"value": nested}},
            ]
        return Answer(self.status, {"error": error})


def bad_argument(message: str, code: str | None = None) -> Refusal:
    """An invalid body or name."""
    return Refusal(400, "UserError", message, "BadArgument", *(("ArgumentInvalid", code) if code else ()))


def not_found(message: str, code: str) -> Refusal:
    """An id that names nothing."""
    return Refusal(404, "UserError", message, "NotFound", code)


def no_resource(path: str) -> Refusal:
    """What ARM itself answers for a tracked resource that does not exist."""
    group, _, resource = path.partition("/providers/")
    return Refusal(
        404,
        "ResourceNotFound",
        f"The Resource '{resource}' under resource group '{group.rsplit('/', 1)[-1]}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def resource(path: str, name: str, kind: str, properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """An ARM resource: what was sent, and what the service adds to it."""
    return {
        "id": path,
        "name": name,
        "type": f"Microsoft.MachineLearningServices/workspaces/{kind}",
        "properties": properties,
        **more,
        "systemData": {"createdAt": now_text(), "createdBy": "emulator", "createdByType": "User"},
    }


def spoken(value: Any) -> Any:
    """Booleans and numbers of a component's specification come back as texts."""
    if isinstance(value, dict):
        return {key: spoken(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spoken(item) for item in value]
    return str(value) if isinstance(value, bool | int | float) else value


def now_text() -> str:
    """This moment, as the service writes it."""
    return datetime.now(UTC).isoformat()
