"""Texts that can stand in CSV only in quotes."""

from collections.abc import Iterable

_STRUCTURAL = frozenset(',"\r\n')


def csv_text(text: str) -> str:
    """A Device or a Sensor as a field of CSV, in quotes only where it needs them."""
    return text if _STRUCTURAL.isdisjoint(text) else '"' + text.replace('"', '""') + '"'


def needs_quotes(texts: Iterable[str]) -> bool:
    """Whether any of `texts` can stand in CSV only in quotes."""
    return any(not _STRUCTURAL.isdisjoint(text) for text in texts)
