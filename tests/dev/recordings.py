"""What Microsoft's own trigger code was recorded to do: an extract here, all of it beside the repository."""

import json
from pathlib import Path
from typing import Any

import pytest

EXTRACT = Path(__file__).parent / "recorded"
WHOLE = Path(__file__).parents[3] / "shared" / "webjobs"

extract_and_whole = pytest.mark.parametrize("folder", [EXTRACT, WHOLE], ids=["extract", "whole"])
"""For tests that compare with a recording: once with each."""


def recorded(folder: Path, name: str) -> Any:
    """The recording of that name; skips the test where it is not on this machine."""
    file = folder / f"{name}.json"
    if not file.is_file():
        pytest.skip(f"no {file.name} in ../shared/webjobs: the recordings are not part of the repository")
    return json.loads(file.read_text(encoding="utf-8"))
