"""Texts that need quotes in CSV."""

from collections.abc import Iterable
from functools import lru_cache

from scoring.printable import cell

_STRUCTURAL = frozenset(',"\r\n')


@lru_cache(1 << 16)  # each sensor in each batch
def csv_text(text: str) -> str:
    """A Device or a Sensor as a CSV field: no formula, and in quotes only where it needs them."""
    text = cell(text)
    return text if _STRUCTURAL.isdisjoint(text) else '"' + text.replace('"', '""') + '"'


def needs_quotes(texts: Iterable[str]) -> bool:
    """Whether any of `texts` needs quotes in CSV."""
    return any(not _STRUCTURAL.isdisjoint(text) for text in texts)
