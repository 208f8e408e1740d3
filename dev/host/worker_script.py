"""The process in which the app runs: Microsoft's own worker library, driven over a socket.

`azure_functions_runtime` imports the app, lists its functions, decodes their inputs and calls them. The host
and the real worker talk in protobuf messages over gRPC; here a message is a line of JSON, and the library
gets plain objects with the same fields.

This file runs as a script and imports nothing of the project, so that the app cannot import it either.
"""

import argparse
import asyncio
import contextlib
import importlib.abc
import json
import logging
import os
import re
import signal
import socket
import sys
import threading
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

_RUNTIME = "azure-functions-runtime"
"""Comes with the platform, as do its dependencies; no app lists it."""


def main() -> None:
    """Load the app, then serve the host until it disconnects."""
    parser = argparse.ArgumentParser()
    parser.add_argument("app", type=Path)
    parser.add_argument("socket", type=int, help="its number, passed on by the host")
    args = parser.parse_args()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)  # a Ctrl-C reaches the whole group; the host says when to exit
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # held until now; the app's processes get it
    os.set_inheritable(args.socket, False)  # processes that the app starts do not inherit it
    host = _Host(socket.socket(fileno=args.socket))
    logging.basicConfig(level=logging.INFO, handlers=[_ToHost(host)])
    logging.getLogger("azure.functions").setLevel(logging.WARNING)  # two lines a call, of no use to a user
    asyncio.run(_serve(args.app, host))


async def _serve(app: Path, host: "_Host") -> None:
    import azure_functions_runtime as runtime

    sys.path.insert(0, str(app))
    sys.meta_path.insert(0, _OnlyWhatIsDeployed(app))
    runtime.start_threadpool_executor()
    init = _Message(capabilities={}, function_app_directory=str(app))
    request = _Message(
        request=_Message(worker_init_request=init), properties={"host": "127.0.0.1", "protos": _protos()}
    )
    result = (await runtime.worker_init_request(request)).result
    if result.status == _StatusResult.Failure:
        host.send({"failed": str(result.exception.message)})
        return
    found = (await runtime.functions_metadata_request(None)).function_metadata_results
    host.send({"functions": [_function(each) for each in found or ()]})
    calls: set[asyncio.Task[None]] = set()
    while (call := await asyncio.to_thread(host.receive)) is not None:
        task = asyncio.create_task(_call(runtime, call, host))
        calls.add(task)
        task.add_done_callback(calls.discard)
    runtime.stop_threadpool_executor()


async def _call(runtime: ModuleType, call: dict[str, Any], host: "_Host") -> None:
    trace = call["id"].replace("-", "")
    parent = f"00-{trace}-{trace[:16]}-01"  # so that what the app records of a call belongs together
    invocation = _Message(
        invocation_id=call["id"],
        function_id=call["function"],
        input_data=[_Parameter(call["parameter"], call["kind"], call["content"])],
        trigger_metadata={},
        trace_context=_Message(trace_parent=parent, trace_state="", attributes={}),
        retry_context=_Message(retry_count=call["retry"], max_retry_count=call["most"], exception=None),
    )
    request = _Message(request=_Message(invocation_request=invocation))
    result = (await runtime.invocation_request(request)).result
    ok = result.status == _StatusResult.Success
    host.send({"ended": call["id"], "ok": ok, "error": "" if ok else str(result.exception.message)})


class _Host:
    """The other end of the socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile("rw", encoding="utf-8", errors="surrogatepass", newline="\n")
        self._sending = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        try:
            with self._sending:
                self._lines.write(text + "\n")
                self._lines.flush()
        except OSError:
            os._exit(1)  # the host is gone

    def receive(self) -> dict[str, Any] | None:
        """The next call; None after the last. When the host dies, its worker exits too."""
        line = self._lines.readline()
        if not line:
            os._exit(1)
        call: dict[str, Any] | None = json.loads(line)
        return call


class _ToHost(logging.Handler):
    """Passes on what the app logs."""

    def __init__(self, host: _Host) -> None:
        super().__init__()
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            self.handleError(record)  # wrong arguments of a log call: an error of the app's, on its stderr
            return
        traceback = logging.Formatter().formatException(record.exc_info) if record.exc_info else None
        self._host.send({"log": [record.name, record.levelno, message, traceback]})


class _OnlyWhatIsDeployed(importlib.abc.MetaPathFinder):
    """Blocks packages that are installed here for development and that a deployed app would not find.

    Those are all that neither the app's requirements.txt nor the platform has. Without a requirements.txt,
    nothing is blocked.
    """

    def __init__(self, app: Path) -> None:
        self._refused = {"dev"}  # of which this file is a part
        requirements = app / "requirements.txt"
        if requirements.is_file():
            names = re.findall(r"^[A-Za-z0-9][\w.-]*", requirements.read_text("utf-8"), re.MULTILINE)
            deployed = _with_needs([*names, _RUNTIME])
            for package in metadata.distributions():
                if _normal(package.name) not in deployed:
                    self._refused |= _modules(package)

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname in self._refused:
            raise ModuleNotFoundError(
                f"No module named '{fullname}': it is installed for development, but the app's "
                "requirements.txt does not list it",
                name=fullname,
            )
        return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _with_needs(packages: list[str]) -> set[str]:
    """These packages and all their dependencies, as far as they are installed."""
    found: set[str] = set()
    while packages:
        name = _normal(packages.pop())
        if name not in found:
            found.add(name)
            with contextlib.suppress(metadata.PackageNotFoundError):
                needs = (need for need in metadata.requires(name) or () if "extra ==" not in need)
                packages += [re.split(r"[^\w.-]", need)[0] for need in needs]
    return found


def _modules(package: metadata.Distribution) -> set[str]:
    """The modules of a package; those of Azure share their first name."""
    if package.name.startswith("azure-"):
        return {package.name.replace("-", ".")}
    declared = (package.read_text("top_level.txt") or "").split()
    return set(declared) or {
        file.parts[0].removesuffix(".py")
        for file in package.files or ()
        if file.suffix == ".py" and ".." not in file.parts
    }


def _function(reported: Any) -> dict[str, Any]:
    options, retry = reported.retry_options, None
    if options is not None:
        fixed = options.retry_strategy == "fixed_delay"
        shortest = options.delay_interval if fixed else options.minimum_interval
        longest = shortest if fixed else options.maximum_interval
        retry = {
            "strategy": options.retry_strategy,
            "most": options.max_retry_count,
            "shortest": shortest.total_seconds(),
            "longest": longest.total_seconds(),
        }
    bindings = [json.loads(binding) for binding in reported.raw_bindings]
    return {"name": reported.name, "id": reported.function_id, "bindings": bindings, "retry": retry}


class _Message:
    """Stands for any protobuf message: has the fields that it is created with."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


class _StatusResult(_Message):
    Success, Failure = "success", "failure"


class _TypedData:
    def __init__(self, kind: str, content: str) -> None:
        self._kind = kind
        value: Any = content
        if kind == "model_binding_data":
            value = _Message(
                version="1.0", source="AzureStorageBlobs", content_type="application/json", content=content
            )
        setattr(self, kind, value)

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return self._kind


class _Parameter:
    def __init__(self, name: str, kind: str, content: str) -> None:
        self.name = name
        self.data = _TypedData(kind, content)

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's name
        return "data"


def _protos() -> SimpleNamespace:
    """The messages that the worker creates; it compares bindings' directions with the decorators' values."""
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


if __name__ == "__main__":
    main()
