"""Replaces models while runs are in progress."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class Models:
    """Replaces models with other versions; a container of its own keeps every version under its SHA-256."""

    def __init__(
        self, models: "ContainerClient", versions: "ContainerClient", folders: Sequence[Path], seed: int
    ) -> None:
        self._models = models
        self._chance = random.Random(seed)  # noqa: S311
        self._files: Mapping[str, list[bytes]] = {
            file.name: [(folder / file.name).read_bytes() for folder in folders]
            for file in sorted(folders[0].glob("model_*.skops"))
        }
        for contents in self._files.values():
            for each in contents:
                versions.upload_blob(hashlib.sha256(each).hexdigest(), each, overwrite=True)

    def replace_one(self) -> None:
        """Replace a random model with another version."""
        name = self._chance.choice(list(self._files))
        self._models.upload_blob(name, self._chance.choice(self._files[name]), overwrite=True)
