"""Numbers as readings carry them: decimal, and finite to be scored."""

import numpy as np
import pyarrow as pa
from pyarrow._compute import MatchSubstringOptions, TrimOptions

from scoring.arrow import call, cast, take, to_numpy

_PATTERN = r"\A[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\z"


def parse(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from their texts (an array without nulls); spaces and tabs around are let be.

    Decimal numbers as Python's `float` reads them, without its underscores, words and foreign digits.

    Returns:
        float64 values, and bool validity: it is a number, and a finite one. Both of shape (n,).
    """
    try:
        values = to_numpy(cast(texts, pa.float64()))
    except pa.ArrowInvalid:
        return _parse_each(texts)
    return values, np.isfinite(values)


def _parse_each(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    trimmed = call("ascii_trim", [texts], TrimOptions(" \t"))
    valid = to_numpy(call("match_substring_regex", [trimmed], MatchSubstringOptions(_PATTERN)))
    values = np.zeros(len(texts))
    values[valid] = to_numpy(cast(take(trimmed, valid), pa.float64()))
    return values, valid & np.isfinite(values)
