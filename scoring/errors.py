"""What can go wrong while scoring.

ScoringError
├── UsageError      the command line is wrong: exit code 2
├── ReadingsError   a file of readings cannot be read at all
├── ManifestError   the manifest cannot be read
├── ModelError      a model is missing, refused or broken
│   ├── ModelMissing
│   └── ModelRefused
└── OutputError     predictions cannot be written

A message says what, where, and what to do, in one line. Exit codes: 0 done; 1 failed, and trying again
does not help; 2 usage error; 75 failed for a temporary reason (disk, memory, a broken connection).
"""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_RETRY = 75


class ScoringError(Exception):
    """The base class of all errors that this package raises on purpose."""


class UsageError(ScoringError):
    """The command line or an argument is wrong."""


class ReadingsError(ScoringError):
    """A file of readings cannot be read at all; a bad row is a reject instead."""


class ManifestError(ScoringError):
    """The manifest cannot be read."""


class ModelError(ScoringError):
    """A model cannot be used; only its own sensor fails."""


class ModelMissing(ModelError):
    """There is no model for this sensor key."""


class ModelRefused(ModelError):
    """The model has parts that are not supported."""


class OutputError(ScoringError):
    """Results cannot be written to the given path."""
