"""The functions of an app, as its worker reports them, and the inputs and outcomes of calls."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The policy of `@app.retry`; the worker only reports it, the host applies it."""

    strategy: str
    most: int
    """Retries after the first try; -1 for no limit."""
    shortest: timedelta
    longest: timedelta

    def delay(self, retry: int) -> timedelta:
        """How long to wait before retry number `retry`, from 1."""
        if self.strategy == "fixed_delay" or retry == 1:
            return self.shortest
        grown = self.shortest * (1 << min(retry - 2, 24)) * random.uniform(0.8, 1.2)  # noqa: S311
        return min(self.longest, self.shortest + grown)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app."""

    name: str
    id: str
    """The worker's own."""
    bindings: Sequence[Mapping[str, Any]]
    retry: RetryPolicy | None

    @classmethod
    def read(cls, reported: Mapping[str, Any]) -> "Function":
        """From what the worker process sends."""
        retry = reported["retry"]
        policy = None
        if retry is not None:
            shortest, longest = (timedelta(seconds=retry[key]) for key in ("shortest", "longest"))
            policy = RetryPolicy(retry["strategy"], retry["most"], shortest, longest)
        return cls(reported["name"], reported["id"], reported["bindings"], policy)

    @property
    def full_id(self) -> str:
        """Its name in locks, receipts, messages and webhooks."""
        return f"Host.Functions.{self.name}"


@dataclass(frozen=True, slots=True)
class Input:
    """The argument of a call: the parameter's name, and a value of one of the protocol's kinds."""

    parameter: str
    kind: str
    content: str

    @classmethod
    def timer(cls, parameter: str, info: Mapping[str, Any]) -> "Input":
        """A timer's tick."""
        return cls(parameter, "json", json.dumps(info))

    @classmethod
    def blob(cls, parameter: str, connection: str, container: str, name: str) -> "Input":
        """A reference to a blob, from which the worker's blob extension makes a BlobClient."""
        content = {"Connection": connection, "ContainerName": container, "BlobName": name}
        return cls(parameter, "model_binding_data", json.dumps(content))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended; `error` is one line."""

    ok: bool
    error: str = ""
