"""The footer of a pack: what pyarrow reads of a good one, and no footer that takes long."""

import io
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.models.pack_footer import read_groups


def footer_of(table: pa.Table, rows: int, compression: str) -> tuple[bytes, pa_parquet.FileMetaData]:
    """The footer of a Parquet file with that many rows in each group, and pyarrow's reading of it."""
    out = io.BytesIO()
    pa_parquet.write_table(table, out, row_group_size=rows, compression=compression)
    content = out.getvalue()
    size = int.from_bytes(content[-8:-4], "little")
    return content[-8 - size : -8], pa_parquet.read_metadata(io.BytesIO(content))


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=50), min_size=1, max_size=40),
    rows=st.integers(1, 40),
    compression=st.sampled_from(["none", "zstd"]),
)
def test_it_says_what_pyarrow_says(texts: list[str], rows: int, compression: str) -> None:
    table = pa.table({"text": texts, "number": range(len(texts)), "flag": [len(text) > 9 for text in texts]})
    footer, expected = footer_of(table, rows, compression)
    groups = read_groups(footer)
    assert [group.rows for group in groups] == [
        expected.row_group(i).num_rows for i in range(expected.num_row_groups)
    ]
    for i, group in enumerate(groups):
        for j, chunk in enumerate(group.chunks):
            column = expected.row_group(i).column(j)
            known = (column.num_values, column.total_compressed_size, column.compression != "UNCOMPRESSED")
            assert (chunk.values, chunk.stored_bytes, chunk.compressed) == known


@given(st.binary(max_size=300))
def test_any_bytes_are_groups_or_damaged(footer: bytes) -> None:
    with suppress(ValueError):
        read_groups(footer)


@pytest.mark.parametrize("kind", range(1, 13))
def test_a_list_that_says_it_is_longer_than_the_footer_is_damaged(kind: int) -> None:
    """A field 4, which is a list of 2^62 values: of bytes, it would be read without an end."""
    with pytest.raises(ValueError, match="damaged"):
        read_groups(bytes([0x49, 0xF0 | kind]) + b"\xff" * 8 + b"\x3f" + b"\x01" * 20)
