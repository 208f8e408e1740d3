"""Many models in one Parquet file, as data: `models.parquet` beside the single files.

A pack is an index of the single files, never a second truth. A file that still has the size and times that
it was packed with is unchanged; of any other one the content is compared, and where it differs the single
file is used. The same applies if the parameters are not those that were packed of this file. Of a file that
was not downloaded, the MD5 is known from the listing of its container.

`pack_format` describes packs, `pack_writer` writes them, and `pack_columns` reads their columns, of which
`pack_footer` knows the sizes.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from scoring.errors import ModelError
from scoring.models.encoding import Content, decode
from scoring.models.pack_columns import (
    UNREADABLE,
    DistinctValues,
    RowGroup,
    open_columns,
    read_distinct,
)
from scoring.models.pack_format import STAT, TEXTS, digest_of, stat_of
from scoring.models.parameters import ModelParameters

_MOST_GROUP_BYTES = 24 << 20
"""A larger group holds one large model, which takes less memory from its own file."""
_MOST_GROUPS = 32
"""Groups whose numbers are kept at a time."""


class Pack:
    """The columns of a pack; numbers are read when a model is asked for, a group of rows at a time.

    Raises:
        ModelError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        try:
            # Kept open: a pack that is written meanwhile has other rows.
            self._file = open_columns(path)
            self._read_columns()
        except UNREADABLE as error:
            reason = (str(error) or type(error).__name__).splitlines()[0][:120]
            raise ModelError(f"{path.name} is not used: it cannot be read ({reason})") from error
        self._numbers: OrderedDict[int, DistinctValues] = OrderedDict()
        self._by_name: dict[str, int] | None = None
        self.unchanged = np.zeros(self._starts[-1], np.bool_)

    def _read_columns(self) -> None:
        groups = range(len(self._file.groups))
        parts = [RowGroup(self._file, group) for group in groups]
        self._starts: list[int] = list(accumulate((part.rows for part in parts), initial=0))
        self._texts = {name: [part.texts[name] for part in parts] for name in TEXTS if name != "numbers"}
        self._stat = [
            np.concatenate([part.stat[name] for part in parts]) if parts else np.empty(0, np.int64)
            for name in STAT
        ]

    def compare(self, entries: list[Any]) -> int:
        """Find out which files are unchanged since they were packed, and how many."""
        rows = np.array([self._rows().get(entry.name, -1) for entry in entries], np.int64)
        stats = np.array([stat_of(entry) for entry in entries], np.int64).reshape(-1, 3)
        same = rows >= 0
        for i, packed in enumerate(self._stat):
            same[same] = packed[rows[same]] == stats[same, i]
        self.unchanged[rows[same]] = True
        return int(same.sum())

    def compare_md5(self, files: Mapping[str, str]) -> int:
        """Find out which of these files, which have an MD5 each, were packed as they are, and how many."""
        rows, packed = self._rows(), self._all("md5")
        same = [row for name, md5 in files.items() if (row := rows.get(name, -1)) >= 0 and packed[row] == md5]
        self.unchanged[same] = True
        return len(same)

    def held(self) -> dict[str, str]:
        """The MD5 of each file whose model can be taken from here: those of others are not needed."""
        found, packed = {}, self._all("md5")
        for name, row in self._rows().items():
            with suppress(ModelError, MemoryError):
                if self.parameters(row) is not None:
                    found[name] = packed[row]
        return found

    def row(self, name: str) -> int | None:
        """Where a file's row is."""
        return self._rows().get(name)

    def sha256(self, row: int) -> str:
        """Of the file that was packed."""
        return self._text("sha256", row)

    def parameters(self, row: int) -> ModelParameters | None:
        """The parameters of a model, None where its file was refused, or takes less memory than its group.

        Raises:
            ModelError: they are not what was packed, or no fitted model has such parameters.
        """
        form = self._text("form", row)
        if not form or self._is_large(row):
            return None
        numbers = self._numbers_of(row)
        known = (self._text("file", row), self._text("sha256", row), self._text("md5", row))
        if numbers is None or digest_of(*known, form, numbers) != self._text("digest", row):
            raise ModelError("its row in the pack is not what was packed; pack the models again")
        return decode(form, numbers)

    def _rows(self) -> dict[str, int]:
        if self._by_name is None:
            self._by_name = {name: row for row, name in enumerate(self._all("file"))}
        return self._by_name

    def _all(self, name: str) -> list[str]:
        return [text for part in self._texts[name] for text in part.all()]

    def _group(self, row: int) -> tuple[int, int]:
        group = bisect_right(self._starts, row) - 1
        return group, row - self._starts[group]

    def _text(self, name: str, row: int) -> str:
        group, place = self._group(row)
        return str(self._texts[name][group].value(place))

    def _is_large(self, row: int) -> bool:
        return self._file.stored_bytes(self._group(row)[0], "numbers") > _MOST_GROUP_BYTES

    def _numbers_of(self, row: int) -> Content | None:
        """The bytes of a model, None where they cannot be read."""
        group, place = self._group(row)
        column = self._numbers.get(group)
        if column is None:
            try:
                column = read_distinct(self._file, group, "numbers")
            except UNREADABLE:
                return None
            self._numbers[group] = column
            if len(self._numbers) > _MOST_GROUPS:
                self._numbers.popitem(last=False)
        return column.view(place)
