"""The text of a mapping: one line of words for all commands.

    ts=Zeit wide decimal=comma ts-format=day-first device-from=file

It is the option `--mapping`, the setting SCORING_MAPPING and MAPPING of `make run`. JSON has the same words,
`{"ts": "Zeit", "wide": true}`; or a mapping for each prefix of the names of files, of which the longest that
fits is used: `{"site-a/": "wide", "": ""}`. Steps get the JSON percent-encoded.

Importing this module is cheap: the function app checks its settings with it.
"""

import csv
import json
import re
import shlex
from collections.abc import Mapping as Pairs
from pathlib import Path
from typing import Any

from scoring.mapping import LISTS, PLAIN, SHOWN, WORDS, InvalidMapping, Mapping, Mappings, field_of
from scoring.printable import unknown

_LONGEST = 16_000


def read_mappings(text: str) -> Mappings:
    """The mappings of a text as `parse` reads it, or of the .json file that it names.

    Raises:
        InvalidMapping: it describes no mapping, or its file cannot be read.
    """
    if text.endswith(".json") and "=" not in text:
        try:
            content = Path(text).read_text("utf-8-sig")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is not text in UTF-8"
            raise InvalidMapping(f"mapping: {text}: {why}") from error
        return parse(content)
    return parse(text)


def parse(text: str) -> Mappings:
    """The mappings that a text describes: words, JSON, or percent-encoded JSON.

    Raises:
        InvalidMapping: it describes no mapping; the message says what is wrong.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        raise InvalidMapping(f"mapping: {len(text):,} characters, more than {_LONGEST:,}")
    if text.startswith("%7B"):
        from urllib.parse import unquote

        text = unquote(text)
    if not text.startswith("{"):
        return _only(_from_words(text))
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidMapping(f"mapping: not JSON ({str(error)[:SHOWN]})") from error
    # No word has an object as its value; so a document with one, or with none of the words, has prefixes.
    if (
        document
        and not any(isinstance(value, dict) for value in document.values())
        and {*document} & {*WORDS}
    ):
        return _only(_from_json(document))
    found = {prefix: _mapping_of(prefix, value) for prefix, value in document.items()}
    return Mappings(tuple(sorted(found.items(), key=lambda item: (-len(item[0]), item[0]))))


def _only(mapping: Mapping) -> Mappings:
    return Mappings() if mapping == PLAIN else Mappings((("", mapping),))


def _mapping_of(prefix: str, value: Any) -> Mapping:
    try:
        if isinstance(value, str):
            return _from_words(value)
        if isinstance(value, dict):
            return _from_json(value)
    except InvalidMapping as error:
        raise InvalidMapping(
            f"{error}, in the mapping for names that start with {prefix[:SHOWN]!r}"
        ) from error
    raise InvalidMapping(
        f"mapping: {prefix[:SHOWN]!r} is not one of the words {', '.join(WORDS)}, nor has it a mapping"
    )


def _from_words(text: str) -> Mapping:
    try:
        parts = shlex.split(text)
    except ValueError as error:
        raise InvalidMapping(f"mapping: {text[:SHOWN]!r}: {error}") from error
    found: dict[str, Any] = {}
    for part in parts:
        word, equals, value = part.partition("=")
        if word in found:
            raise InvalidMapping(f"mapping: {word} is given twice")
        if not equals and word in WORDS and word != "wide":
            raise InvalidMapping(f"mapping: {word} has no value: give {word}=…, {WORDS[word]}")
        found[word] = (next(csv.reader([value]), []) if equals else True) if word in LISTS else value
    return _from_json(found)


def _from_json(document: Pairs[str, Any]) -> Mapping:
    values: dict[str, Any] = {}
    for word, value in document.items():
        if word not in WORDS:
            raise InvalidMapping(f"mapping: {unknown(word, WORDS, 'words')}")
        if word in LISTS and _are_texts(value):
            values[word] = tuple(value)
            if not value:
                more = ": give wide alone for all others" if word == "wide" else ""
                raise InvalidMapping(f"mapping: {word} lists no {LISTS[word]}{more}")
        elif word == "header" and re.fullmatch(r"[1-9][0-9]{0,8}", str(value)):
            values[word] = int(value)
        elif word == "wide" and isinstance(value, bool):
            values[word] = () if value else None
        elif word != "header" and isinstance(value, str) and value and _is_text(value):
            values[field_of(word)] = (value,) if word in LISTS else value
        else:
            raise InvalidMapping(f"mapping: {word} is {str(value)[:SHOWN]!r}: give {WORDS[word]}")
    return Mapping(**values)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and _is_text(item) for item in value)


def _is_text(value: str) -> bool:
    """Whether a text can be printed, and stored as UTF-8; a tab can be a delimiter."""
    return value == "\t" or value.isprintable()
