"""One model per sensor key: `model_{device}_{sensor}.skops` in a folder."""

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scoring.atomic_files import write_atomically
from scoring.errors import ModelError, ModelMissing, UsageError
from scoring.keys import MODEL_PREFIX, MODEL_SUFFIX, InvalidKey, SensorKey
from scoring.svm import SvmDetector

MOST_BYTES = 256 << 20
"""Largest file that is read as a model."""

_CLOSED = frozenset({errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.EPERM})
"""What is wrong with one file, and stays so."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class Detector(Protocol):
    """What a model does: labels (1 is an anomaly) and scores (below zero is anomalous) of shape (n,)."""

    def predict(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...  # noqa: D102


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
        ModelRefused: it asks for types that are not trusted.
        ModelError: it is broken or does not fit.
    """
    return model_from(read_file(directory / key.model_name), key)


def model_from(content: bytes, key: SensorKey) -> LoadedModel:
    """The model in the bytes of its file.

    Raises:
        ModelError: it is refused or broken.
    """
    return LoadedModel(key, detector_from(content, key.model_name), hashlib.sha256(content).hexdigest())


def read_file(path: Path) -> bytes:
    """The bytes of a model.

    Raises:
        ModelMissing: there is no such file.
        ModelError: it is too large, or no file that can be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ModelError(f"{path.name} is a folder or the like, and a model is a file")
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise ModelMissing(missing(path.name)) from error
    except OSError as error:
        if error.errno not in _CLOSED:
            raise
        raise ModelError(f"{path.name} cannot be read: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise ModelError(f"{path.name} is larger than {MOST_BYTES >> 20} MB")
    return content


def _open_at_once(path: str, flags: int) -> int:
    """Not waiting for whoever might write to it, if it is a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def missing(name: str) -> str:
    """What is said of a model that is not there."""
    return f"there is no {name}: train or upload it"


def detector_from(content: bytes, name: str) -> Detector:
    """The detector in a .skops file; the common kind without importing scikit-learn."""
    from scoring.parameters import read_parameters

    try:
        parameters = read_parameters(content)
        if parameters is not None:
            return SvmDetector(parameters)
        from scoring.estimators import load_detector

        return load_detector(content)
    except ModelError as error:
        raise type(error)(f"{name}: {error}") from error


def save_model(estimator: Any, directory: Path, key: SensorKey) -> Path:
    """Write a fitted estimator as this sensor's model; the same estimator gives the same bytes."""
    path = directory / key.model_name
    write_atomically(path, model_bytes(estimator))
    return path


def model_bytes(estimator: Any) -> bytes:
    """A fitted estimator as a .skops file."""
    import skops.io

    return _canonical(skops.io.dumps(estimator))


def list_models(directory: Path) -> dict[SensorKey, Path]:
    """All models in a folder, by key; other files are none of ours.

    Raises:
        UsageError: there is no such folder.
    """
    models = {}
    for entry in scan(directory):
        try:
            models[SensorKey.from_model_name(entry.name)] = Path(entry.path)
        except InvalidKey:
            continue
    return models


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
        raise UsageError(f"{directory} is no folder of models") from error
    return sorted(found, key=lambda entry: entry.name)


def _canonical(content: bytes) -> bytes:
    """The same model without what changes from run to run: addresses as ids, times, order; and compressed."""
    import io
    import json
    import zipfile

    def member(name: str) -> zipfile.ZipInfo:
        return zipfile.ZipInfo(name, _ZIP_TIME)

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
        ids: dict[int, int] = {}
        names: dict[str, str] = {}
        _renumber(schema, ids, names)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as target:
            text = json.dumps(schema, separators=(",", ":")).encode()
            target.writestr(member("schema.json"), text, zipfile.ZIP_DEFLATED)
            for old, new in names.items():
                target.writestr(member(new), archive.read(old), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str]) -> None:
    if isinstance(node, list):
        for child in node:
            _renumber(child, ids, names)
    elif isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
        if "__loader__" in node and isinstance(node.get("file"), str):
            stem, _, suffix = node["file"].rpartition(".")
            node["file"] = names.setdefault(
                node["file"], f"{len(names) + 1}.{suffix}" if stem else node["file"]
            )
        for child in node.values():
            _renumber(child, ids, names)
