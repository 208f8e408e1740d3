import math
import struct
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.readings.rows import as_texts

BITS = st.integers(0, 2**64 - 1)


def from_bits(bits: int) -> float:
    (number,) = struct.unpack("<d", struct.pack("<Q", bits))
    return float(number)


def texts_of(column: pa.Array) -> list[str]:
    texts: list[str] = as_texts(column).to_pylist()
    return texts


@given(st.lists(st.floats() | BITS.map(from_bits), min_size=1, max_size=20), st.integers(0, 500))
@example([0.0, -0.0, float("nan"), from_bits(0xFFF8_0000_0000_0001), float("inf"), float("-inf")], 20)
@example([5e-324, 1.7976931348623157e308, 1e22, 1e16, 123456789.0, 0.1, 2.0], 20)
def test_repeated_numbers_have_the_texts_that_each_has_alone(numbers: list[float], times: int) -> None:
    alone = [texts_of(pa.array([number]))[0] for number in numbers]
    rows = np.tile(numbers, times + 1)
    assert texts_of(pa.array(rows)) == alone * (times + 1)
    assert texts_of(pa.array(rows)[1:]) == (alone * (times + 1))[1:]
    for number, text in zip(numbers, alone, strict=True):
        if math.isfinite(number):
            assert Decimal(text).as_tuple().sign == Decimal(repr(number)).as_tuple().sign
            assert Decimal(text) == Decimal(repr(number))
        else:
            assert text == repr(number)


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20),
    st.sampled_from([pa.int64(), *map(pa.timestamp, ("s", "ms", "us", "ns"))]),
    st.integers(1, 500),
)
def test_repeated_times_have_the_texts_that_each_has_alone(
    numbers: list[int], kind: pa.DataType, times: int
) -> None:
    if pa.types.is_timestamp(kind):  # of the years that a reading can have
        numbers = [number % 2**62 // 10**9 * (1 if kind.unit == "s" else 7) for number in numbers]
    column = pa.array(numbers, pa.int64())
    alone = [texts_of(column[row : row + 1].view(kind))[0] for row in range(len(numbers))]
    repeated = pa.array(np.repeat(numbers, times), pa.int64()).view(kind)
    assert texts_of(repeated) == np.repeat(alone, times).tolist()


@pytest.mark.parametrize("distinct", [1, 100, 10_000, 100_000])
def test_many_rows_have_their_texts_if_few_or_all_of_them_are_distinct(distinct: int) -> None:
    numbers = np.arange(100_000) % distinct * 0.37
    assert texts_of(pa.array(numbers)) == pa.array(numbers).cast(pa.string()).to_pylist()
