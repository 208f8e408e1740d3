"""Hostile packs: small files that unfold to much, made the same way every time.

Each stands beside a good model, which must be scored from its own file, or as it was packed.
"""

import hashlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet


def hostile_packs(good: bytes) -> Iterator[tuple[str, bytes]]:
    """Packs made of a good one, each with a name that says what is wrong with it."""
    table = pa_parquet.read_table(io.BytesIO(good))
    yield "rows in great number", _repeated(table)
    yield "groups in great number", _written(*[table.slice(0, 0)] * 50_000, table)
    yield "as much as is read of one", _written(_full(table))
    yield (
        "names that share their beginnings",
        _written(_alike(table), column_encoding={"file": "DELTA_BYTE_ARRAY"}),
    )
    for name in ("file", "sha256", "md5", "form", "digest", "numbers"):
        for what, value in (
            ("empty", ""),
            ("long", "x" * 100_000),
            ("wrong", "wrong"),
            ("huge", "x" * (30 << 20)),
        ):
            column = pa.array([value] * table.num_rows, pa.string()).cast(table.schema.field(name).type)
            yield f"{name} {what}", _written(_with(table, name, column))
    for name in ("size", "mtime", "ctime"):
        for number in (-1, 0, (1 << 63) - 1):
            column = pa.array([number] * table.num_rows, pa.int64())
            yield f"{name} of {number}", _written(_with(table, name, column))
    yield (
        "zeros, compressed",
        _written(_with(table, "numbers", pa.array([bytes(60 << 20)])), compression="zstd"),
    )
    forms: dict[str, str] = {
        "deep": "[" * 4000,
        "of another kind": '{"kind":"Scaling","features_in":1,"center":null,"scale":null,"clip":false}',
        "of no kind": '{"kind":"os.system"}',
        "of 2^45 numbers": table["form"][0].as_py().replace("[", f"[{1 << 45},", 1),
        "of negative numbers": table["form"][0].as_py().replace("[", "[-1,", 1),
        "number of digits": "9" * 5000,
        "half a character": '"\\ud800"',
    }
    for what, form in forms.items():
        yield f"form {what}", _written(_with(table, "form", pa.array([form])))
    numbers = np.frombuffer(table["numbers"][0].as_py(), np.uint8)
    for what, changed in {
        "NaN": np.full_like(numbers, 0xFF),
        "zeros": np.zeros_like(numbers),
        "short": numbers[:-8],
    }.items():
        yield f"numbers of {what}", _written(_with(table, "numbers", pa.array([changed.tobytes()])))


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    """The table with another column, and with the digest that says that it is right."""
    changed = table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)
    if name not in {"form", "numbers"}:
        return changed
    file, sha256, md5, form, numbers = (
        changed[part][0].as_py() for part in ("file", "sha256", "md5", "form", "numbers")
    )
    digest = hashlib.sha256(f"{file}\n{sha256}\n{md5}\n{form}\n".encode() + numbers).hexdigest()
    return _with(changed, "digest", pa.array([digest]))


def _written(*groups: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    settings = {"compression": "none", "use_dictionary": ["form"], "write_statistics": False} | options
    with pa_parquet.ParquetWriter(out, groups[0].schema, **settings) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=1 << 20)
    return out.getvalue()


def _full(table: pa.Table) -> pa.Table:
    """A group of which each column is about as long as a column can be."""
    rows = 30_000
    columns = {
        "file": [f"{row:0>255}" for row in range(rows)],
        **{name: [0] * rows for name in ("size", "mtime", "ctime")},
        "sha256": [f"{row:0>64}" for row in range(rows)],
        "md5": [f"{row:0>24}" for row in range(rows)],
        "form": [f"{row:0>8000}" if row < 1000 else "" for row in range(rows)],
        "numbers": [bytes(22 << 20)] + [b""] * (rows - 1),
        "digest": [f"{row:0>64}" for row in range(rows)],
    }
    return pa.concat_tables([table, pa.table(columns, table.schema)]).combine_chunks()


def _alike(table: pa.Table) -> pa.Table:
    """Names of a million characters, of which each repeats all of the one before."""
    names = pa.array([*table["file"].to_pylist(), *("x" * (1 << 20) + str(row) for row in range(100))])
    others = pa.concat_tables([table] * (len(names) - 1))
    whole = pa.concat_tables([table, others]).combine_chunks()
    return whole.set_column(whole.schema.get_field_index("file"), table.schema.field("file"), names)


def _repeated(table: pa.Table) -> bytes:
    """One row ten million times: next to nothing to write, and 40 MB to read of each column."""
    kinds = {name: pa.dictionary(pa.int32(), table.schema.field(name).type) for name in table.schema.names}
    places = pa.array(np.zeros(10_000_000, np.int32))
    columns = {
        name: pa.DictionaryArray.from_arrays(places, table[name].slice(0, 1).combine_chunks())
        for name in kinds
    }
    out = io.BytesIO()
    options = {"compression": "none", "store_schema": False, "write_statistics": False}
    with pa_parquet.ParquetWriter(out, pa.schema(kinds), **options) as writer:
        writer.add_key_value_metadata(table.schema.metadata)
        writer.write_table(pa.table(columns, pa.schema(kinds)), row_group_size=len(places))
    return out.getvalue()
