"""One model per sensor key: `model_{device}_{sensor}.skops` in a folder."""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from scoring.errors import ModelError, ModelMissing, UsageError
from scoring.keys import MODEL_PREFIX, MODEL_SUFFIX, SensorKey
from scoring.models.detector import NO_MEMORY, Detector, detector_of
from scoring.models.interpret import model_parameters
from scoring.models.parameters import ModelParameters
from scoring.models.skops import read_skops

MOST_BYTES = 64 << 20
"""Largest file that is read as a model."""

_CLOSED = frozenset({errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EPERM})
"""Errors about one file that a retry does not change."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A sensor's detector, and the SHA-256 of the file that it comes from."""

    key: SensorKey
    detector: Detector
    sha256: str


def load_model(directory: Path, key: SensorKey) -> LoadedModel:
    """Read one sensor's model.

    Raises:
        ModelMissing: there is no file for this key.
        ModelRefused: it is made of parts that are not supported.
        ModelError: it is broken or does not fit.
    """
    return model_from(read_file(directory / key.model_name), key)


def model_from(content: bytes, key: SensorKey) -> LoadedModel:
    """The model in the bytes of its file.

    Raises:
        ModelError: it is refused or broken.
    """
    try:
        detector = detector_of(parameters_from(content))
    except ModelError as error:
        raise type(error)(f"{key.model_name}: {error}") from error
    except MemoryError as error:
        raise ModelError(f"{key.model_name}: {NO_MEMORY}") from error
    return LoadedModel(key, detector, hashlib.sha256(content).hexdigest())


def parameters_from(content: bytes) -> ModelParameters:
    """The parameters of the model in the bytes of a .skops file.

    Raises:
        ModelError: it is refused or broken.
    """
    try:
        return model_parameters(read_skops(content))
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # a file that confuses the reader fails its own sensor, and no other
        raise ModelError(f"cannot be read ({type(error).__name__}); save it again") from error


def read_file(path: Path) -> bytes:
    """The bytes of a model.

    Raises:
        ModelMissing: there is no such file.
        ModelError: it is too large, or is not a file that can be read.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ModelError(f"{path.name} is a folder or the like, and a model is a file")
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise ModelMissing(missing(path.name)) from error
    except MemoryError as error:
        raise ModelError(f"{path.name}: {NO_MEMORY}") from error
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
        raise ModelError(f"{path.name} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise ModelError(f"{path.name} is larger than {MOST_BYTES >> 20} MB")
    return content


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


def missing(name: str) -> str:
    """The error message for a missing model."""
    return f"there is no {name}: train or upload it"


def scan(directory: Path) -> list[os.DirEntry[str]]:
    """The files that are named like models, sorted by name.

    Raises:
        UsageError: there is no such folder.
    """
    try:
        with os.scandir(directory) as entries:
            found = [
                entry
                for entry in entries
                if entry.name.startswith(MODEL_PREFIX)
                and entry.name.endswith(MODEL_SUFFIX)
                and entry.name.isascii()  # as every encoded key is; others may not even be text
            ]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{directory} is not a folder of models") from error
    return sorted(found, key=lambda entry: entry.name)
