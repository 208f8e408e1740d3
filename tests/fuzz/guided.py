"""Fuzzing guided by coverage: an input that reaches a new branch is kept, and changed further.

    python -m tests.fuzz --guided --target model --seconds 3600

atheris instruments `scoring` and runs libFuzzer. A .skops file is taken apart, one of its members is changed
and it is put together again; left to itself, libFuzzer would mostly try zip files with wrong checksums.
"""

import hashlib
import io
import json
import random
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris

from tests.fuzz.mutation import VALUES, places

MOST_SECONDS, MOST_MEGABYTES = 2, 300
_MOST_BYTES = 1 << 20


def main() -> None:
    """Fuzz one target for a number of seconds; libFuzzer ends the process."""
    name, seconds, seeds, found = sys.argv[1:]
    with atheris.instrument_imports(include=["scoring"]):
        from tests.fuzz.models import legacy_file, model_file
    read = {"model": model_file, "pickle": legacy_file}[name]
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={MOST_SECONDS}",
        f"-rss_limit_mb={MOST_MEGABYTES}",
        f"-max_len={_MOST_BYTES}",
        f"-artifact_prefix={found}/",
        "-print_final_stats=1",
        "-use_value_profile=1",
    ]
    mutator = {"custom_mutator": mutated} if name == "model" else {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        atheris.Setup([sys.argv[0], *options, corpus, seeds], keeping(read, Path(found)), **mutator)
        atheris.Fuzz()


def keeping(read: Callable[[bytes], None], folder: Path) -> Callable[[bytes], None]:
    """Read, and keep what ends in an error; what ends the process is kept by libFuzzer."""

    def attempt(content: bytes) -> None:
        try:
            read(content)
        except BaseException:
            (folder / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)
            raise

    return attempt


def mutated(content: bytes, most: int, seed: int) -> bytes:
    """A .skops file with one member changed: in its schema a value, or bytes of anything."""
    chance = random.Random(seed)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # noqa: BLE001 - it was changed as bytes before
        members = {}
    if not members or chance.random() < 0.1:
        changed: bytes = atheris.Mutate(content, most)
        return changed
    for _ in range(chance.randint(1, 3)):
        _change(members, chance)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return out.getvalue()[:most]


def _change(members: dict[str, bytes], chance: random.Random) -> None:
    if chance.random() < 0.7 and "schema.json" in members:
        members["schema.json"] = _changed_json(members["schema.json"], chance)
    else:
        name = chance.choice(sorted(members))
        members[name] = atheris.Mutate(members[name], len(members[name]) + 64)


def _changed_json(schema: bytes, chance: random.Random) -> bytes:
    try:
        document: Any = json.loads(schema)
    except ValueError:
        return b"{}"
    found = places(document)
    if not found:
        return b"{}"
    parent, key = chance.choice(found)
    value = chance.choice(VALUES)
    other, name = chance.choice(found)
    match chance.choice(["remove", "value", "content", "copy", "copy"]):
        case "remove":
            del parent[key]
        case "value":
            parent[key] = value
        case "content":
            parent[key] = json.dumps(value)
        case _:
            parent[key] = json.loads(json.dumps(other[name]))
    return json.dumps(document).encode()


if __name__ == "__main__":
    Path(sys.argv[4]).mkdir(parents=True, exist_ok=True)
    main()
