"""The Python worker, as the host drives it.

Everything goes through `azure_functions_runtime`, Microsoft's own worker library: it imports the app,
tells what functions are in it, decodes their inputs and calls them. The host and the real worker talk in
protobuf messages over gRPC; here both are in one process, so the messages are plain objects with the same
fields. The worker's registry belongs to the process: one process, one app.
"""

import json
import logging
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dev.host.errors import HostError

_log = logging.getLogger("Host")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What `@app.retry` asks for; the worker only reports it, the host carries it out."""

    strategy: str
    most: int
    """Retries after the first try; -1 for no end."""
    shortest: timedelta
    longest: timedelta

    def delay(self, retry: int) -> timedelta:
        """How long to wait before retry number `retry`, from 1."""
        if self.strategy == "fixed_delay":
            return self.shortest
        doubled = timedelta(seconds=4 * ((1 << min(retry - 1, 24)) - 1))
        return min(self.longest, self.shortest + doubled)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app, as the worker reports it."""

    name: str
    id: str
    bindings: Sequence[dict[str, Any]]
    retry: RetryPolicy | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended; `error` is one line, `trace` the whole of it."""

    ok: bool
    error: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """What a trigger hands to its function: the parameter's name, and a value of one of the wire's kinds."""

    parameter: str
    kind: str
    value: Any

    @classmethod
    def timer(cls, parameter: str, info: dict[str, Any]) -> "Input":
        """A timer's tick."""
        return cls(parameter, "json", json.dumps(info))

    @classmethod
    def blob(cls, parameter: str, connection: str, container: str, name: str) -> "Input":
        """A reference to a blob, from which the worker's blob extension makes a BlobClient."""
        content = {"Connection": connection, "ContainerName": container, "BlobName": name}
        reference = _Message(
            version="1.0",
            source="AzureStorageBlobs",
            content_type="application/json",
            content=json.dumps(content),
        )
        return cls(parameter, "model_binding_data", reference)


class Worker:
    """Loads one app, then calls its functions."""

    def __init__(self, app: Path) -> None:
        self._app = app

    async def start(self) -> list[Function]:
        """Import the app and list its functions.

        Raises:
            HostError: the worker could not load it; the message is the worker's own.
        """
        import azure_functions_runtime as runtime

        if not (self._app / "function_app.py").is_file():
            raise HostError(
                f"no function_app.py in {self._app}: this is not the folder of a Python function app"
            )
        sys.path.insert(0, str(self._app))
        logging.getLogger("azure.functions").setLevel(
            logging.WARNING
        )  # two lines a call, of no use to a user
        runtime.start_threadpool_executor()
        init = _Message(capabilities={}, function_app_directory=str(self._app))
        request = _Message(
            request=_Message(worker_init_request=init),
            properties={"host": "127.0.0.1", "protos": _protos()},
        )
        result = (await runtime.worker_init_request(request)).result
        if result.status == _StatusResult.Failure:
            raise HostError(
                f"the worker cannot load {self._app / 'function_app.py'}: {result.exception.message}"
            )
        found = (await runtime.functions_metadata_request(None)).function_metadata_results
        return [_function(metadata) for metadata in found or ()]

    async def invoke(self, function: Function, given: Input, *, reason: str, retry: int = 0) -> Outcome:
        """Call a function once; what it raises comes back in the outcome."""
        import azure_functions_runtime as runtime

        invocation = str(uuid.uuid4())
        most = function.retry.most if function.retry else 0
        call = _Message(
            invocation_id=invocation,
            function_id=function.id,
            input_data=[_Parameter(given)],
            trigger_metadata={},
            trace_context=_Message(trace_parent=_trace_parent(invocation), trace_state="", attributes={}),
            retry_context=_Message(retry_count=retry, max_retry_count=most, exception=None),
        )
        _log.info("Executing 'Functions.%s' (Reason='%s', Id=%s)", function.name, reason, invocation)
        started = time.monotonic()
        request = _Message(request=_Message(invocation_request=call))
        result = (await runtime.invocation_request(request)).result
        took = round((time.monotonic() - started) * 1000)
        if result.status == _StatusResult.Success:
            _log.info(
                "Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%dms)", function.name, invocation, took
            )
            return Outcome(ok=True)
        error = " ".join(str(result.exception.message).split())
        _log.error(
            "Executed 'Functions.%s' (Failed, Id=%s, Duration=%dms) %s",
            function.name,
            invocation,
            took,
            error,
        )
        return Outcome(ok=False, error=error, trace=str(result.exception.stack_trace))

    def stop(self) -> None:
        """Wait for calls that still run, and end the worker's threads."""
        import azure_functions_runtime as runtime

        runtime.stop_threadpool_executor()


def _function(metadata: Any) -> Function:
    options = metadata.retry_options
    retry = None
    if options is not None:
        fixed = options.retry_strategy == "fixed_delay"
        shortest = options.delay_interval if fixed else options.minimum_interval
        retry = RetryPolicy(
            strategy=options.retry_strategy,
            most=options.max_retry_count,
            shortest=shortest,
            longest=shortest if fixed else options.maximum_interval,
        )
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    return Function(metadata.name, metadata.function_id, bindings, retry)


def _trace_parent(invocation: str) -> str:
    """A W3C trace context for this call, so that what the app records of it belongs together."""
    trace = invocation.replace("-", "")
    return f"00-{trace}-{trace[:16]}-01"


class _Message:
    """Stands for any protobuf message: it has the fields it is given."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class _StatusResult(_Message):
    Success, Failure = "success", "failure"


class _TypedData:
    def __init__(self, kind: str, value: Any) -> None:
        self._kind = kind
        setattr(self, kind, value)

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return self._kind


class _Parameter:
    def __init__(self, given: Input) -> None:
        self.name = given.parameter
        self.data = _TypedData(given.kind, given.value)

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return "data"


def _protos() -> SimpleNamespace:
    """The messages that the worker makes; it compares bindings' directions with the decorators' values."""
    from azure.functions.decorators.core import BindingDirection, DataType

    class BindingInfo(_Message):
        inout, out, undefined = BindingDirection.INOUT, BindingDirection.OUT, DataType.UNDEFINED

    plain = (
        "FunctionMetadataResponse InvocationResponse ParameterBinding RpcException RpcFunctionMetadata "
        "RpcRetryOptions TypedData WorkerInitResponse WorkerMetadata"
    )
    return SimpleNamespace(
        **dict.fromkeys(plain.split(), _Message), StatusResult=_StatusResult, BindingInfo=BindingInfo
    )
