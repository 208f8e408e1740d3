"""What can go wrong while scoring.

ScoringError
├── UsageError      the command line asks for what cannot be: exit code 2
├── ReadingsError   a file of readings cannot be read at all
├── ManifestError   the manifest cannot be read
├── ModelError      a model is missing, refused or broken
│   ├── ModelMissing
│   └── ModelRefused
└── OutputError     predictions cannot be written

A message says what, where, and what to do, in one line. Exit codes: 0 done; 1 failed, and trying again
does not help; 2 wrong use; 75 failed for a reason that may pass (disk, memory, a broken connection).
"""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_RETRY = 75


class ScoringError(Exception):
    """The base of all errors that this package raises on purpose."""


class UsageError(ScoringError):
    """The command line or an argument asks for what cannot be."""


class ReadingsError(ScoringError):
    """A file of readings cannot be read at all; single bad rows are rejects instead."""


class ManifestError(ScoringError):
    """The manifest is not a manifest."""


class ModelError(ScoringError):
    """A model cannot be used; it fails its own sensor and no other."""


class ModelMissing(ModelError):
    """There is no model for this sensor key."""


class ModelRefused(ModelError):
    """The model asks for types that are not trusted, or is not an outlier detector."""


class OutputError(ScoringError):
    """Results cannot be written where they were asked for."""
