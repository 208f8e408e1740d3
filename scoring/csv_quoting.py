"""Texts that need quotes in CSV."""

from collections.abc import Iterable

from scoring.printable import cell

_STRUCTURAL = frozenset(',"\r\n')


def csv_text(text: str) -> str:
    """A Device or a Sensor as a CSV field: no formula, and in quotes only where it needs them."""
    text = cell(text)
    return text if _STRUCTURAL.isdisjoint(text) else '"' + text.replace('"', '""') + '"'


def needs_quotes(texts: Iterable[str]) -> bool:
    """Whether any of `texts` needs quotes in CSV."""
    return any(not _STRUCTURAL.isdisjoint(text) for text in texts)
