"""The Value of a reading: a decimal, finite number."""

import numpy as np
import pyarrow as pa

from scoring.arrow import cast, matches, replace, take, to_numpy, trim

_PATTERN = r"\A[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\z"

_DECIMAL_COMMA = r"\A[+-]?(?:\d+(?:,\d*)?|,\d+|\d{1,3}(?:\.\d{3})+,\d*)(?:[eE][+-]?\d+)?\z"


def parse(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from their texts (an array without nulls); spaces and tabs around them are ignored.

    Decimal numbers as Python's `float` reads them, without underscores, words and non-ASCII digits.

    Returns:
        float64 values, and whether each is a finite number (bool); both of shape (n,).
    """
    try:
        values = to_numpy(cast(texts, pa.float64()))
    except pa.ArrowInvalid:
        return _parse_each(texts)
    return values, np.isfinite(values)


def parse_decimal_commas(texts: pa.StringArray) -> tuple[pa.StringArray, np.ndarray, np.ndarray]:
    """Numbers with a decimal comma, as texts with a point instead, and what `parse` returns for these.

    Points group digits, and only where a comma follows: `1.234,5` is certain, and `1.234` is not a number.
    """
    trimmed = trim(texts)
    written = matches(trimmed, _DECIMAL_COMMA)
    pointed = replace(replace(trimmed, r"\.", ""), ",", ".")
    values, valid = parse(pointed)
    return pointed, values, valid & written


def _parse_each(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    trimmed = trim(texts)
    valid = matches(trimmed, _PATTERN)
    values = np.zeros(len(texts))
    values[valid] = to_numpy(cast(take(trimmed, valid), pa.float64()))
    return values, valid & np.isfinite(values)
