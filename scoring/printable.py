"""Texts for people: counts, and what comes from outside, as a terminal, a log or a spreadsheet can show it.

A name can hold line breaks, which forge lines of a log, control characters, which a terminal obeys, and what
a spreadsheet evaluates. Standard library only: `pipeline` uses it too.
"""

import re
from collections.abc import Collection

_FORMULA = re.compile(r"'*[=+\-@]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_SHOWN = 80


def printable(text: str) -> str:
    r"""`text` in one line: what a terminal would not print is shown as `\n`, `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\u200d" else _escaped(one) for one in text)


def counted(count: int, noun: str) -> str:
    """A count of things: `1 reading`, `2,000 readings`; `noun` is one whose plural ends with `s`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def all_of(count: int, noun: str) -> str:
    """All of some things: `The run`, `Both runs`, `All 3 runs`."""
    if count == 1:
        return f"The {noun}"
    return f"Both {noun}s" if count == 2 else f"All {counted(count, noun)}"  # noqa: PLR2004 - a pair


def unknown(name: str, known: Collection[str], what: str) -> str:
    """That a name is not a known one: `'devise' is unknown: device?`, or with all of them if none is near.

    `what` is what the known ones are, in the plural.
    """
    import difflib

    near = difflib.get_close_matches(name[:_SHOWN], known, 1)
    meant = f": {near[0]}?" if near else f"; the {what} are {', '.join(known)}"
    return f"{name[:_SHOWN]!r} is unknown{meant}"


def cell(text: str) -> str:
    """`text` for a CSV file, so that a spreadsheet takes it as a text.

    A text that starts with `=`, `+`, `-` or `@` and is not a number gets an apostrophe in front, and so does
    one that starts with apostrophes before them: who removes one apostrophe there has the original.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def original(text: str) -> str:
    """The text that `cell` made into this one."""
    return text[1:] if text.startswith("'") and cell(text[1:]) == text else text


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
