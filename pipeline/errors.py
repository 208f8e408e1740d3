"""All errors that the pipeline raises on purpose.

PipelineError
├── InvalidRequest           the command line or an argument is wrong: exit code 2
├── SettingsError            settings are missing or invalid, all in one message: exit code 2
├── StorageError             a request to blob storage failed
│   ├── StorageUnreachable   no response, or only failures, after all retries: temporary
│   ├── StorageDenied        the credential is wrong or has no role for this
│   ├── ContainerMissing     no such container
│   ├── NotFound             no such blob, in a container that exists
│   ├── AlreadyExists        the blob to create exists, with other content
│   ├── Changed              the blob has changed: its ETag differs
│   └── LeaseHeld            another process holds the lease, or the lease is lost
├── RunError                 a run cannot do what was requested
│   ├── UnknownRun
│   ├── InvalidRunName       exit code 2
│   ├── IllegalTransition    its state does not lead to the requested one
│   └── RunDocumentError     a record or manifest cannot be read
├── PublishError             the published pipeline cannot be built, written or read
│   └── NothingPublished
├── ReportError              an HTML page cannot be written
├── FleetStateError          the fleet state cannot be read
├── NotifyError              the settings of notifications are wrong: exit code 2
└── EngineError              the engine refused a run
    └── EngineUnreachable    no response, or only failures, after all retries: temporary

A message says what, where, and what to do, in one line. `pipeline.storage.sdk_errors` translates the
exceptions of the storage SDK.
"""

from typing import ClassVar

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class PipelineError(Exception):
    """The base of all errors that this package raises on purpose."""

    exit_code: ClassVar[int] = EXIT_FAILED
    """The exit code of a command that fails because of this."""

    temporary: ClassVar[bool] = False
    """Whether it can pass by itself, so that the same request can succeed minutes later."""


class InvalidRequest(PipelineError):
    """The command line or an argument is wrong."""

    exit_code = EXIT_USAGE


class SettingsError(PipelineError):
    """Settings are missing or invalid; the message names all of them."""

    exit_code = EXIT_USAGE


class StorageError(PipelineError):
    """A request to blob storage failed."""


class StorageUnreachable(StorageError):
    """Blob storage does not respond, or only with failures, after all retries."""

    temporary = True


class StorageDenied(StorageError):
    """The credential is wrong, or has no role for this."""


class ContainerMissing(StorageError):
    """There is no such container."""


class NotFound(StorageError):
    """There is no such blob, in a container that exists."""


class AlreadyExists(StorageError):
    """The blob to create exists already, with other content.

    Attributes:
        found: its content.
    """

    def __init__(self, message: str, found: bytes) -> None:
        super().__init__(message)
        self.found = found


class Changed(StorageError):
    """The blob has changed since it was read: its ETag differs, or it was deleted."""


class LeaseHeld(StorageError):
    """Another process holds the lease on this blob, or our lease is lost."""


class RunError(PipelineError):
    """A run cannot do what was requested."""


class UnknownRun(RunError):
    """There is no run of this name."""


class InvalidRunName(RunError):
    """This text cannot name a run."""

    exit_code = EXIT_USAGE


class IllegalTransition(RunError):
    """The state of a run does not lead to the requested state."""


class RunDocumentError(RunError):
    """A record or a manifest in storage cannot be read."""


class PublishError(PipelineError):
    """The published pipeline cannot be built, written or read."""


class NothingPublished(PublishError):
    """No pipeline has been published yet."""

    def __init__(self) -> None:
        super().__init__("no pipeline is published: run python -m pipeline publish")


class ScoringProcessError(PipelineError):
    """`python -m scoring` could not be run as a process of its own."""


class ReportError(PipelineError):
    """An HTML page, a report or the list of runs, cannot be written."""


class FleetStateError(PipelineError):
    """The fleet state in storage cannot be read."""


class NotifyError(PipelineError):
    """The settings of notifications are damaged, or name what does not exist."""

    exit_code = EXIT_USAGE


class EngineError(PipelineError):
    """The engine refused a run, or does not respond."""


class EngineUnreachable(EngineError):
    """The engine does not respond, or only with failures, after all retries."""

    temporary = True
