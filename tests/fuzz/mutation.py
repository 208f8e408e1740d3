"""Strategies for damaged documents: bytes of valid documents are removed, duplicated and replaced."""

import json
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

TOKENS = (
    *(b"", b"\x00", b"\xff", b"\n", b"\r", b'"', b"'", b",", b":", b"{", b"}", b"[", b"]", b"\\", b"%", b"="),
    *(b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"-Infinity", b"9" * 30, b"9" * 5000, b"1.5", b'""'),
    *(
        b"[]",
        b"{}",
        b"[" * 20_000,
        b'{"a":' * 20_000,
        b"\\ud800",
        b"\\u0000",
        "é😀\u2028".encode(),
        b"../" * 9,
    ),
    *(b"&a ", b"*a", b"!!python/object:os.system ", b"<<: ", b"- ", b"2026-99-99T99:99:99Z"),
)

VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 2, 1.5, 1e999, float("nan"), 10**30, "", "x", "\ud800", "../../x", "\0", "9" * 5000),
    *([], {}, [[]], {"version": 1}, "2026-01-01T00:00:00", "9999-12-31T23:59:59.999999-14:00", [1] * 100),
)


@st.composite
def damaged(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds` with a few bytes changed."""
    content = bytearray(draw(st.sampled_from(list(seeds))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 1, 1, 2, 4, 8, 64, 1000]))
        piece = st.one_of(st.sampled_from(TOKENS), st.binary(max_size=8), _slice(bytes(content)))
        content[at : at + length] = draw(piece)
    return bytes(content)


@st.composite
def _slice(draw: st.DrawFn, content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[start : start + draw(st.integers(0, 64))]


@st.composite
def changed_json(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds`, JSON that stays JSON, with a few values replaced, removed or put elsewhere."""
    document = json.loads(draw(st.sampled_from(list(seeds))))
    for _ in range(draw(st.integers(1, 4))):
        found = places(document)
        if not found:
            break
        parent, key = found[draw(st.integers(0, len(found) - 1))]
        what = draw(st.sampled_from(["value", "value", "remove", "copy"]))
        if what == "remove":
            del parent[key]
        elif what == "copy":
            other, name = found[draw(st.integers(0, len(found) - 1))]
            parent[key] = json.loads(json.dumps(other[name]))
        else:
            parent[key] = deepcopy(VALUES[draw(st.integers(0, len(VALUES) - 1))])
    return json.dumps(document).encode()


def places(node: object) -> list[tuple[Any, Any]]:
    """Every value in a document, as its container and where it stands there."""
    found: list[tuple[Any, Any]] = []
    todo = [node]
    while todo:
        at = todo.pop()
        if isinstance(at, dict):
            found += [(at, key) for key in at]
            todo += list(at.values())
        elif isinstance(at, list):
            found += [(at, index) for index in range(len(at))]
            todo += at
    return found
