"""Readings: from files of CSV, gzip'd CSV or Parquet to batches of columns."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from scoring.keys import SensorKey
from scoring.manifest import Manifest

BLOCK_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One file of readings; `name` is how people know it."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class LandingStatus:
    """How a landing was found: read, superseded, vanished, unreadable or refused."""

    name: str
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Valid readings in the order in which they came, and the rows that are none."""

    keys: list[SensorKey]
    codes: np.ndarray
    ts: pa.Array
    value_text: pa.Array
    values: np.ndarray
    times: np.ndarray
    rejects: pa.Table


def find_sources(data: Path, manifest: Manifest | None) -> tuple[list[Source], list[LandingStatus]]:
    """The files to read, and the landings that cannot be."""
    raise NotImplementedError


def read_batches(
    source: Source, *, block_bytes: int = BLOCK_BYTES, executor: Executor | None = None
) -> Iterator[Batch]:
    """Read one file; `executor` parses a few blocks ahead."""
    raise NotImplementedError
