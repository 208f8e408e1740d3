"""Saving what scikit-learn has fitted as a .skops file: the same estimator gives the same bytes."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from scoring.atomic_files import write_atomically
from scoring.keys import SensorKey

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def save_model(estimator: Any, directory: Path, key: SensorKey) -> Path:
    """Write a fitted estimator as this sensor's model."""
    path = directory / key.model_name
    write_atomically(path, model_bytes(estimator))
    return path


def model_bytes(estimator: Any) -> bytes:
    """A fitted estimator as a .skops file."""
    import skops.io

    return _canonical(skops.io.dumps(estimator))


def _canonical(content: bytes) -> bytes:
    """The same model without what changes from run to run: addresses as ids, times, order; and compressed."""

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
