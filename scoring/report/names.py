"""The order of names, as people expect it."""

import re

_DIGITS = re.compile(r"([0-9]+)")


def natural_key(*texts: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorts "pump-2" before "pump-10", and numbers before words."""
    parts = (part for text in texts for part in (*_DIGITS.split(text), ""))
    return tuple((False, int(part), "") if _DIGITS.fullmatch(part) else (True, 0, part) for part in parts)
