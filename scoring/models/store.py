"""The models of a folder: from its pack where that is up to date, and from the single files otherwise."""

import hashlib
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path

from scoring.errors import ModelError, UsageError
from scoring.formats import PACK_NAME
from scoring.keys import InvalidKey, SensorKey
from scoring.model_names import describe_others
from scoring.models.detector import NO_MEMORY, detector_of
from scoring.models.files import LoadedModel, load_model, model_from, read_file, scan
from scoring.models.pack import Pack


class ModelStore:
    """The models of a folder.

    `packed` are models that it has no files of, because its pack holds them; each with the MD5 of its file,
    in base64. They are taken from the pack, also without `use_pack`.

    Raises:
        UsageError: there is no such folder.
    """

    def __init__(
        self, directory: Path, *, use_pack: bool = True, packed: Mapping[str, str] | None = None
    ) -> None:
        if not directory.is_dir():
            raise UsageError(f"{directory} is not a folder of models")
        self._directory = directory
        entries = scan(directory) if use_pack else []
        self._files = [entry.name for entry in entries]  # entries keep what stat found: a kilobyte each
        self._packed = packed or {}
        self._pack: Pack | None = None
        self.unchanged = 0
        """How many models are taken from the pack without reading their files."""
        self.notice: str | None = None
        """Why there is a pack that is not used, or not for all models."""
        self.changed: set[str] = set()
        """The files whose parameters in the pack are not those that were packed: their own are used."""
        if (use_pack or self._packed) and (directory / PACK_NAME).is_file():
            try:
                self._pack = Pack(directory / PACK_NAME)
            except ModelError as error:
                self.notice = str(error)
            else:
                self.unchanged = self._pack.compare(entries)
                self.notice = _outdated(self.unchanged, len(entries))
                self.unchanged += self._pack.compare_md5(self._packed)

    def keys(self) -> AbstractSet[SensorKey]:
        """The keys of all models, by the names of their files."""
        return self._keys

    @cached_property
    def _keys(self) -> frozenset[SensorKey]:
        keys = []
        files = self._files or [entry.name for entry in scan(self._directory)]
        for name in (*files, *self._packed):
            try:
                keys.append(SensorKey.from_model_name(name))
            except InvalidKey:
                continue  # a file of another program
        return frozenset(keys)

    def notes(self) -> list[str]:
        """What the files of the folder are that are not models: a line for each kind, with what to do."""
        return describe_others(sorted(os.listdir(self._directory)), str(self._directory))  # noqa: PTH208

    def require_models(self) -> None:
        """Check that there is any model.

        Raises:
            UsageError: there is none; the message says what is there instead.
        """
        if not self.keys():
            hint = "; ".join(self.notes()) or "expected files such as model_1_3.skops: train some first"
            raise UsageError(f"there are no models in {self._directory}: {hint}")

    def get(self, key: SensorKey) -> LoadedModel:
        """One sensor's model.

        Raises:
            ModelMissing: there is no file for this key.
            ModelError: it is refused or broken.
        """
        row = self._pack.row(key.model_name) if self._pack else None
        if self._pack is None or row is None:
            return load_model(self._directory, key)
        try:
            return self._from_pack(self._pack, row, key) or load_model(self._directory, key)
        except MemoryError as error:
            raise ModelError(f"{key.model_name}: {NO_MEMORY}") from error

    def _from_pack(self, pack: Pack, row: int, key: SensorKey) -> LoadedModel | None:
        """A model as the pack has it; None where only its own file can be used, or can say what is wrong."""
        sha256 = pack.sha256(row)
        if not pack.unchanged[row]:
            content = read_file(self._directory / key.model_name)
            if hashlib.sha256(content).hexdigest() != sha256:
                return model_from(content, key)
        try:
            parameters = pack.parameters(row)
        except ModelError:
            self.changed.add(key.model_name)
            return None
        return None if parameters is None else LoadedModel(key, detector_of(parameters), sha256)

    @property
    def last_notice(self) -> str | None:
        """What only showed while models were taken from the pack."""
        if not self.changed:
            return None
        return (
            f"{PACK_NAME} does not hold what was packed of {min(self.changed)} "
            f"({len(self.changed):,} in all): own files are used; pack the models again"
        )


def _outdated(unchanged: int, models: int) -> str | None:
    """Reported for some models only: if all differ, the folder was copied, and contents decide silently."""
    if unchanged in {0, models}:
        return None
    return (
        f"{PACK_NAME} is not up to date: {models - unchanged:,} of {models:,} models are looked up in their "
        "own files; pack the models again"
    )
