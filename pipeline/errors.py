"""What can go wrong between a cause and its run.

PipelineError
├── UsageError               the command line asks for what cannot be: exit code 2
├── SettingsError            settings are missing or wrong, all of them in one message: exit code 2
├── StorageError             blob storage did not do as asked
│   ├── StorageUnreachable   no answer, or only failures, after all retries
│   ├── StorageDenied        the credential is wrong or lacks a role
│   ├── ContainerMissing     no such container
│   ├── NotFound             no such blob, in a container that is there
│   ├── AlreadyExists        a blob that was to be created is there, with other content
│   ├── Changed              a blob is no longer what it was: its ETag differs
│   └── LeaseHeld            somebody else holds the lease, or the lease is lost
├── RunError                 a run cannot be what it is asked to be
│   ├── UnknownRun
│   ├── InvalidRunName       exit code 2
│   ├── IllegalTransition    its state does not lead to the one asked for
│   └── RunDocumentError     a record or manifest cannot be read
├── PublishError             the published pipeline cannot be built, written or read
│   └── NothingPublished
├── ReportError              a page for people cannot be written
└── EngineError              the engine refused a run, or cannot be asked about it

A message says what, where, and what to do, in one line. The exceptions of storage's SDK become these in
one place, `pipeline.storage.sdk_errors`.
"""

from typing import ClassVar

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class PipelineError(Exception):
    """The base of all errors that this package raises on purpose."""

    exit_code: ClassVar[int] = EXIT_FAILED
    """How a command line ends that cannot go on because of this."""


class UsageError(PipelineError):
    """The command line or an argument asks for what cannot be."""

    exit_code = EXIT_USAGE


class SettingsError(PipelineError):
    """Settings are missing or wrong; the message names all of them."""

    exit_code = EXIT_USAGE


class StorageError(PipelineError):
    """Blob storage did not do as asked."""


class StorageUnreachable(StorageError):
    """Blob storage gives no answer, or only failures, after all retries."""


class StorageDenied(StorageError):
    """The credential is wrong, or lacks the role for this."""


class ContainerMissing(StorageError):
    """There is no such container."""


class NotFound(StorageError):
    """There is no such blob, in a container that is there."""


class AlreadyExists(StorageError):
    """A blob that was to be created is there already, with other content than ours.

    Attributes:
        found: what it holds.
    """

    def __init__(self, message: str, found: bytes) -> None:
        super().__init__(message)
        self.found = found


class Changed(StorageError):
    """A blob is no longer the one that was read before: its ETag differs, or it is gone."""


class LeaseHeld(StorageError):
    """Somebody else holds the lease on this blob, or our lease is lost."""


class RunError(PipelineError):
    """A run cannot be what it is asked to be."""


class UnknownRun(RunError):
    """There is no run of this name."""


class InvalidRunName(RunError):
    """This text cannot name a run."""

    exit_code = EXIT_USAGE


class IllegalTransition(RunError):
    """The state of a run does not lead to the state that was asked for."""


class RunDocumentError(RunError):
    """A record or a manifest in storage cannot be read."""


class PublishError(PipelineError):
    """The published pipeline cannot be built, written or read."""


class NothingPublished(PublishError):
    """No pipeline has been published yet."""

    def __init__(self) -> None:
        super().__init__("no pipeline is published: run python -m pipeline publish")


class ReportError(PipelineError):
    """A page for people, a report or the list of runs, cannot be written."""


class EngineError(PipelineError):
    """The engine refused a run, or cannot be asked about it."""
