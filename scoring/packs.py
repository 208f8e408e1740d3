"""Many models in one Parquet file, as data: `models.parquet` beside the single files.

A pack is an index of the single files, never a second truth. Each row names its file with size, times and
SHA-256. A file that still has that size and those times is unchanged; of any other one the content is
compared, and where it differs the single file is used. Kinds of rows: `svm`, parameters in columns;
`skops`, the file's bytes; `file`, a model that is only to be read, and refused, from its own file.

Stored, so it has a version: raise `VERSION` with any change of `SCHEMA`; other versions are not used.
"""

import hashlib
import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow._parquet import ParquetReader

from scoring.arrow import call, strings, to_numpy
from scoring.atomic_files import atomic_path
from scoring.errors import ModelError, UsageError
from scoring.formats import PACK_NAME
from scoring.keys import InvalidKey, SensorKey
from scoring.models import LoadedModel, load_model, model_from, read_file, scan
from scoring.svm import SvmDetector, SvmParameters

VERSION = b"1"
_VERSION_KEY = b"fleet-scoring-pack"

SCHEMA = pa.schema(
    {
        "file": pa.string(),
        "size": pa.int64(),
        "mtime": pa.int64(),  # nanoseconds, as stat gives them
        "ctime": pa.int64(),
        "sha256": pa.string(),
        "kind": pa.string(),
        "mean": pa.float64(),
        "scale": pa.float64(),
        "kernel": pa.string(),
        "gamma": pa.float64(),
        "coef0": pa.float64(),
        "degree": pa.int64(),
        "intercept": pa.float64(),
        "support": pa.list_(pa.float64()),
        "dual": pa.list_(pa.float64()),
        "skops": pa.binary(),
    },
    metadata={_VERSION_KEY: VERSION},
)

_PARALLEL_FROM = 2_000
"""Fewer models are read faster by one process than others start."""


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a pack was made of; `refused` models are broken, or ask for more than is trusted."""

    path: Path
    svm: int
    skops: int
    refused: int


def write_pack(directory: Path) -> PackReport:
    """Write the pack of all models in `directory`; unchanged files give the same bytes.

    Raises:
        UsageError: there is no such folder.
        OutputError: it cannot be written.
    """
    paths = [entry.path for entry in scan(directory)]
    if len(paths) < _PARALLEL_FROM:
        rows = [_row(path) for path in paths]
    else:
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor() as pool:
            rows = list(pool.map(_row, paths, chunksize=500))
    import pyarrow.parquet as pa_parquet

    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    path = directory / PACK_NAME
    with atomic_path(path) as partial:
        pa_parquet.write_table(table, partial, compression="zstd")
    kinds = [row["kind"] for row in rows]
    return PackReport(path, kinds.count("svm"), kinds.count("skops"), kinds.count("file"))


def _row(name: str) -> dict[str, Any]:
    from scoring.parameters import read_parameters

    path = Path(name)
    size, mtime, ctime = _stat(path)  # before reading: a change in between shows as a difference later
    row: dict[str, Any] = {"file": path.name, "size": size, "mtime": mtime, "ctime": ctime, "kind": "file"}
    try:
        content = read_file(path)
    except ModelError:
        return row | {"sha256": ""}
    row["sha256"] = hashlib.sha256(content).hexdigest()
    parameters = read_parameters(content)
    if parameters is None:
        return row | _whole(content)
    names = ("mean", "scale", "kernel", "gamma", "coef0", "degree", "intercept", "support", "dual")
    return row | {"kind": "svm"} | {name: getattr(parameters, name) for name in names}


def _whole(content: bytes) -> dict[str, Any]:
    """A model that scikit-learn is to load; whether it does shows only then, and would take long here."""
    from scoring.estimators import audited

    try:
        audited(content)
    except ModelError:
        return {}
    return {"kind": "skops", "skops": content}


def _stat(file: Path | os.DirEntry[str]) -> tuple[int, int, int]:
    try:
        stat = file.stat()
    except OSError:  # removed meanwhile, or a link that leads nowhere: whoever reads it says what is wrong
        return -1, -1, -1
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class ModelStore:
    """The models of a folder: from its pack where that is fresh, and from the single files otherwise.

    Raises:
        UsageError: there is no such folder.
    """

    def __init__(self, directory: Path, *, use_pack: bool = True) -> None:
        if not directory.is_dir():
            raise UsageError(f"{directory} is no folder of models")
        self._directory = directory
        self._entries = scan(directory) if use_pack else []
        self._pack: _Pack | None = None
        self.unchanged = 0
        """How many models are taken from the pack without a look at their files."""
        self.notice: str | None = None
        """Why there is a pack that is not used, or not for all models."""
        if use_pack and (directory / PACK_NAME).is_file():
            try:
                self._pack = _Pack(directory / PACK_NAME)
            except ModelError as error:
                self.notice = str(error)
            else:
                self.unchanged = self._pack.compare(self._entries)
                self.notice = _outdated(self.unchanged, len(self._entries))

    def keys(self) -> AbstractSet[SensorKey]:
        """The keys of all models, by the names of their files."""
        return self._keys

    @cached_property
    def _keys(self) -> frozenset[SensorKey]:
        keys = []
        for entry in self._entries or scan(self._directory):
            try:
                keys.append(SensorKey.from_model_name(entry.name))
            except InvalidKey:
                continue  # somebody else's file
        return frozenset(keys)

    def get(self, key: SensorKey) -> LoadedModel:
        """One sensor's model.

        Raises:
            ModelMissing: there is no file for this key.
            ModelError: it is refused or broken.
        """
        name = key.model_name
        row = self._pack.row(name) if self._pack else None
        if self._pack is None or row is None:
            return load_model(self._directory, key)
        sha256 = self._pack.sha256(row)
        if not self._pack.unchanged[row]:
            content = read_file(self._directory / name)
            if hashlib.sha256(content).hexdigest() != sha256:
                return model_from(content, key)
        try:
            parameters = self._pack.parameters(row)
            if parameters is not None:
                return LoadedModel(key, SvmDetector(parameters), sha256)
        except ModelError as error:
            raise type(error)(f"{name}: {error}") from error
        packed = self._pack.skops(row)
        if packed is None:  # nor could it be read when it was packed: its own file tells why
            packed = read_file(self._directory / name)
        return model_from(packed, key)


class _Pack:
    """The columns of a pack, read without making an object of each row."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            columns = [name for name in SCHEMA.names if name != "skops"]
            # Not pyarrow.parquet, whose import costs a short step more than reading the pack.
            self._file = ParquetReader()  # kept open: a pack that is written meanwhile has other rows
            self._file.open(path)
            self._check(self._file.schema_arrow)
            table = self._file.read_all(range(len(columns))).combine_chunks()
            self._columns = {name: _chunk(table, name) for name in columns}
            for name in (
                "file",
                "sha256",
                "kind",
                "kernel",
            ):  # text that is none would break whoever reads it
                self._columns[name].validate(full=True)
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0][:120]
            raise ModelError(f"{path.name} is not used: it cannot be read ({reason})") from error
        numbers = ("size", "mtime", "ctime", "mean", "scale", "gamma", "coef0", "degree", "intercept")
        self._numbers = {name: to_numpy(self._columns[name]) for name in numbers}
        self._lists = {name: _list_parts(self._columns[name]) for name in ("support", "dual")}
        self._given = {name: _given(self._columns[name]) for name in ("mean", "scale")}
        self._complete = np.logical_and.reduce([_given(self._columns[name]) for name in _NEEDED])
        self._rows: dict[str, int] | None = None
        self.unchanged = np.zeros(table.num_rows, bool)

    def _check(self, schema: Any) -> None:
        version = (schema.metadata or {}).get(_VERSION_KEY)
        if version != VERSION or not schema.remove_metadata().equals(SCHEMA.remove_metadata()):
            raise ModelError(
                f"{self._path.name} is not used: it is of another version; pack the models again"
            )

    def compare(self, entries: list[Any]) -> int:
        """Find out which files are unchanged since they were packed, and how many."""
        names = strings([entry.name for entry in entries])
        stats = np.array([_stat(entry) for entry in entries], np.int64).reshape(-1, 3)
        found = dict(zip(("size", "mtime", "ctime"), stats.T, strict=True))
        if names.equals(self._columns["file"]):
            rows = np.arange(len(entries))
        else:
            known = self._by_name()
            rows = np.array([known.get(entry.name, -1) for entry in entries], np.int64)
        packed = rows >= 0
        same = packed.copy()
        for name, values in found.items():
            same &= np.where(packed, self._numbers[name][rows] if len(self.unchanged) else 0, -1) == values
        self.unchanged[rows[same]] = True
        return int(same.sum())

    def row(self, name: str) -> int | None:
        """Where a file's row is."""
        return self._by_name().get(name)

    def sha256(self, row: int) -> str:
        """Of the file that was packed."""
        return str(self._columns["sha256"][row].as_py())

    def parameters(self, row: int) -> SvmParameters | None:
        """The parameters of an `svm` row, None of another kind."""
        if self._columns["kind"][row].as_py() != "svm":
            return None
        degree = int(self._numbers["degree"][row])
        if not self._complete[row] or not 0 <= degree < 1 << 31:
            raise ModelError("its row in the pack lacks or spoils a parameter; pack the models again")
        support, dual = (_slice(self._lists[name], row) for name in ("support", "dual"))
        return SvmParameters(
            mean=self._number("mean", row) if self._given["mean"][row] else None,
            scale=self._number("scale", row) if self._given["scale"][row] else None,
            kernel=self._columns["kernel"][row].as_py(),
            gamma=self._number("gamma", row),
            coef0=self._number("coef0", row),
            degree=degree,
            support=support,
            dual=dual,
            intercept=self._number("intercept", row),
        )

    def _number(self, name: str, row: int) -> float:
        return float(self._numbers[name][row])

    def skops(self, row: int) -> bytes | None:
        """The bytes of a `skops` row."""
        try:
            return self._skops[row].as_py()  # type: ignore[no-any-return]
        except (pa.ArrowException, OSError, ValueError):  # spoilt in this column only
            return None

    @cached_property
    def _skops(self) -> Any:
        return self._file.read_all([SCHEMA.names.index("skops")])["skops"]

    def _by_name(self) -> dict[str, int]:
        if self._rows is None:
            self._rows = {name: row for row, name in enumerate(self._columns["file"].to_pylist())}
        return self._rows


def _outdated(unchanged: int, models: int) -> str | None:
    """Told of some models only: where all differ the folder was copied, and contents decide in silence."""
    if unchanged in {0, models}:
        return None
    return (
        f"{PACK_NAME} is not up to date: {models - unchanged:,} of {models:,} models are looked up in their "
        "own files; pack the models again"
    )


_NEEDED = ("kernel", "gamma", "coef0", "degree", "intercept", "support", "dual")


def _chunk(table: Any, name: str) -> Any:
    column = table[name]
    return column.chunk(0) if column.num_chunks else pa.nulls(0, column.type)


def _given(column: Any) -> np.ndarray:
    """Which rows have a value, as bool of shape (rows,)."""
    return to_numpy(call("is_valid", [column]))


def _list_parts(column: Any) -> tuple[np.ndarray, np.ndarray]:
    values = column.values
    if values.null_count:  # only where somebody made them: nan is what they are refused for
        return to_numpy(column.offsets), values.to_numpy(zero_copy_only=False)
    return to_numpy(column.offsets), to_numpy(values)


def _slice(parts: tuple[np.ndarray, np.ndarray], row: int) -> np.ndarray:
    offsets, values = parts
    return values[offsets[row] : offsets[row + 1]]
