"""Texts from outside, as a terminal, a log and a spreadsheet can show them.

A name can hold line breaks, which forge lines of a log, control characters, which a terminal obeys, and what
a spreadsheet evaluates. Standard library only: `pipeline` uses it too.
"""

import re

_FORMULA = re.compile(r"'*[=+\-@]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def printable(text: str) -> str:
    r"""`text` in one line: what a terminal would not print is shown as `\n`, `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\u200d" else _escaped(one) for one in text)


def cell(text: str) -> str:
    """`text` for a CSV file, so that a spreadsheet takes it as a text.

    A text that starts with `=`, `+`, `-` or `@` and is not a number gets an apostrophe in front, and so does
    one that starts with apostrophes before them: who removes one apostrophe there has the original.
    """
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
