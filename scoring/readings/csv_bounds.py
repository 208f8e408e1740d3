"""Where the lines of a block of CSV are, and which of them are plain rows: found for all of them at once."""

from functools import cache
from itertools import pairwise

import numpy as np

from scoring.readings.csv_row import Layout

_PART_BYTES = 256 << 10

_QUOTE, _CR, _LF = b'"\r\n'


@cache
def _besides_quotes(delimiter: str) -> np.ndarray:
    """Which bytes can stand beside a quote."""
    found = np.zeros(256, bool)
    found[[ord(delimiter), _QUOTE, _CR, _LF]] = True
    return found


def line_bounds(content: np.ndarray, *, cr_ends: bool) -> tuple[np.ndarray, np.ndarray]:
    """Where lines start, and where they end, without their line breaks."""
    breaks = content == _LF
    if cr_ends:
        alone = content == _CR
        alone[:-1] &= ~breaks[1:]
        breaks = breaks | alone
    stops = np.flatnonzero(breaks)
    starts = np.concatenate([[0], stops + 1])
    ends = np.append(stops, len(content))
    if starts[-1] == len(content):
        starts, ends = starts[:-1], ends[:-1]
    crlf = (ends > starts) & (ends < len(content)) & (content[ends - 1] == _CR)
    return starts, ends - crlf


def is_regular(content: np.ndarray, delimiter: str = ",") -> bool:
    """Whether quotes open and close fields, and each carriage return is followed by a newline.

    Where no field spans lines, arrow then reads the same as `read_lines`.
    """
    quotes = np.flatnonzero(content == _QUOTE)
    returns = np.flatnonzero(content == _CR)
    opening, closing = quotes[0::2], quotes[1::2]
    return (
        len(opening) == len(closing)
        and bool((content.take(returns + 1, mode="clip") == _LF).all())
        and bool(_besides(content, opening - 1, delimiter).all())
        and bool(_besides(content, closing + 1, delimiter).all())
    )


def _besides(content: np.ndarray, neighbours: np.ndarray, delimiter: str) -> np.ndarray:
    """Whether the neighbour of a quote lets it open or close a field, or makes it one of a pair.

    Before the first byte and after the last one, clipping finds the quote itself, which counts as valid.
    """
    found: np.ndarray = _besides_quotes(delimiter)[content.take(neighbours, mode="clip")]
    return found


def plain_lines(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, layout: Layout) -> np.ndarray:
    """Which lines are, each by itself, rows with every field and with every quote in place.

    In parts, because the positions of all delimiters and quotes can take many times the memory of the lines;
    so a line that is longer than a part is never plain.
    """
    plain = np.zeros(len(starts), bool)
    firsts = np.searchsorted(starts, np.arange(0, len(content) + _PART_BYTES, _PART_BYTES)).tolist()
    for first, stop in pairwise(firsts):
        lines = slice(first, stop - 1 if stop and ends[stop - 1] - starts[stop - 1] > _PART_BYTES else stop)
        if lines.start < lines.stop:
            base, end = starts[lines][0], ends[lines][-1]
            plain[lines] = _plain_part(content[base:end], starts[lines] - base, ends[lines] - base, layout)
    return plain


def _plain_part(content: np.ndarray, starts: np.ndarray, ends: np.ndarray, layout: Layout) -> np.ndarray:
    commas = np.flatnonzero(content == ord(layout.delimiter))
    quotes = np.flatnonzero(content == _QUOTE)
    odd = np.flatnonzero(content == _CR)
    line_of_comma = np.searchsorted(starts, commas, "right") - 1
    flawed = np.zeros(len(starts), bool)
    if len(quotes):
        first_quotes = np.searchsorted(quotes, np.append(starts, len(content)))
        line_of_quote = np.searchsorted(starts, quotes, "right") - 1
        opening = (np.arange(len(quotes)) - first_quotes[line_of_quote]) % 2 == 0
        flawed |= np.diff(first_quotes) % 2 == 1
        well_placed = _besides(content, np.where(opening, quotes - 1, quotes + 1), layout.delimiter)
        flawed[line_of_quote[~well_placed]] = True
        before = np.searchsorted(quotes, commas) - first_quotes[line_of_comma]
        line_of_comma = line_of_comma[before % 2 == 0]
    if len(odd):
        line_of_odd = np.searchsorted(starts, odd, "right") - 1
        flawed[line_of_odd[odd < ends[line_of_odd]]] = True
    complete: np.ndarray = np.bincount(line_of_comma, minlength=len(starts)) == layout.width - 1
    return complete & ~flawed
