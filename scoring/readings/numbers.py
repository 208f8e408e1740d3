"""The Value of a reading: a decimal, finite number."""

import numpy as np
import pyarrow as pa

from scoring.arrow import cast, matches, replace, take, to_numpy, trim

_PATTERN = r"\A[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\z"

DECIMALS = {"comma": (",", "."), "point": (".", ",")}
"""The sign before decimals, and the one that can group digits."""

_SPACES = " \u00a0\u202f'"
"""Signs that group digits and do nothing else."""


def parse(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from their texts, or from int64 or float64 of arrow (an array without nulls).

    Texts are decimal numbers as Python's `float` reads them, without underscores, words and non-ASCII digits;
    spaces and tabs around them are ignored.

    Returns:
        float64 values, and whether each is a finite number (bool); both of shape (n,).
    """
    try:
        values = to_numpy(cast(column, pa.float64()) if pa.types.is_string(column.type) else column)
    except pa.ArrowInvalid:
        return _parse_each(column)
    values = values.astype(np.float64, copy=False)
    return values, np.isfinite(values)


def parse_grouped(texts: pa.StringArray, decimal: str) -> tuple[pa.StringArray, np.ndarray, np.ndarray]:
    """Numbers with a decimal comma or point and groups of digits: as plain texts, and as from `parse`.

    The other sign groups digits, and only where it is certain: with a decimal comma `1.234,5` and `1.234.567`
    are numbers, and `1.234` is not.
    """
    sign, group = DECIMALS[decimal]
    trimmed = trim(texts)
    written = matches(trimmed, _grouped(f"[{sign}]", f"[{group}]"))
    plain = replace(replace(trimmed, f"[{group}{_SPACES}]", ""), f"[{sign}]", ".")
    values, valid = parse(plain)
    return plain, values, valid & written


def _grouped(sign: str, group: str) -> str:
    grouped = rf"(?:{group}\d{{3}})+{sign}\d*|(?:{group}\d{{3}}){{2,}}|(?:[{_SPACES}]\d{{3}})+(?:{sign}\d*)?"
    return rf"\A[+-]?(?:\d+(?:{sign}\d*)?|{sign}\d+|\d{{1,3}}(?:{grouped}))(?:[eE][+-]?\d+)?\z"


def _parse_each(texts: pa.StringArray) -> tuple[np.ndarray, np.ndarray]:
    trimmed = trim(texts)
    valid = matches(trimmed, _PATTERN)
    values = np.zeros(len(texts))
    values[valid] = to_numpy(cast(take(trimmed, valid), pa.float64()))
    return values, valid & np.isfinite(values)
