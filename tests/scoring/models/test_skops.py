"""The reader of .skops files: arrays as numpy wrote them, or none."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from scoring.errors import ModelError
from scoring.models.npy import MOST_DIMENSIONS, array_from, holds_numbers
from tests.scoring.models.documents import npy_header

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
NUMBERS = st.one_of(
    arrays.boolean_dtypes(),
    arrays.integer_dtypes(),
    arrays.unsigned_integer_dtypes(),
    arrays.floating_dtypes(),
).filter(lambda dtype: dtype.itemsize <= 8)


def saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@given(array=arrays.arrays(NUMBERS, SHAPES), fortran=st.booleans())
def test_an_array_of_numbers_is_what_numpy_saved(array: np.ndarray, fortran: bool) -> None:
    found = array_from(saved(np.asfortranarray(array) if fortran else array))
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_nodes_of_a_tree_are_read_field_by_field() -> None:
    nodes = np.zeros(3, np.dtype({"names": ["a", "b"], "formats": ["<i8", "u1"], "itemsize": 16}))
    nodes["a"], nodes["b"] = [1, 2, 3], [4, 5, 6]
    found = array_from(saved(nodes))
    assert (found["a"].tolist(), found["b"].tolist()) == ([1, 2, 3], [4, 5, 6])


@pytest.mark.parametrize(
    "array",
    [
        np.array([object()]),
        np.array(["text"]),
        np.array([b"bytes"]),
        np.array([1j]),
        np.array(["2026-01-01"], "M8[s]"),
        np.zeros(2, [("a", "<i8", (3,))]),
        np.zeros(2, [("a", [("b", "<i8")])]),
        np.zeros((1, 1, 1, 1, 1)),
        np.zeros(2, np.longdouble),
    ],
    ids=lambda array: str(array.dtype),
)
def test_an_array_of_anything_else_is_refused(array: np.ndarray) -> None:
    assert not holds_numbers(array.dtype) or array.ndim > MOST_DIMENSIONS
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    with pytest.raises(ModelError, match="holds an array that is"):
        array_from(out.getvalue())


@pytest.mark.parametrize(
    "shape", ["(6 5,)", "(5)", "(,)", "(1, 1, 1, 1, 1)", "(0, 99999999999, 99999999999)"]
)
def test_an_array_of_a_shape_that_numpy_does_not_write_is_refused(shape: str) -> None:
    with pytest.raises(ModelError, match="holds an array that is"):
        array_from(npy_header("'<f8'", shape))


@settings(max_examples=300)
@given(
    place=st.integers(0, 160),
    length=st.integers(0, 20),
    other=st.binary(max_size=20),
    dtype=st.sampled_from(["<f8", "<i4", [("a", "<i8"), ("b", "<f8")]]),
)
def test_a_damaged_array_is_refused_or_has_all_its_bytes(
    place: int, length: int, other: bytes, dtype: Any
) -> None:
    content = saved(np.zeros(4, dtype))
    damaged = content[:place] + other + content[place + length :]
    try:
        found = array_from(damaged)
    except ModelError:
        return
    assert found.nbytes <= len(damaged)
