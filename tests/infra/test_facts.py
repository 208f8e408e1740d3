"""The table of facts about Azure in docs/operations.md: every test that it names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = (
    (ROOT / "docs" / "operations.md")
    .read_text("utf-8")
    .partition("## What Azure does")[2]
    .partition("\n## ")[0]
)
ROWS = re.findall(r"^\| (?!fact |---)(.+?) \| (.+?) \|$", TABLE, re.MULTILINE)


@pytest.mark.parametrize(("fact", "held_by"), ROWS, ids=[fact[:40] for fact, _ in ROWS])
def test_every_fact_has_a_test_that_exists_or_cannot_be_tried_here(fact: str, held_by: str) -> None:
    files = [ROOT / name for name in re.findall(r"`((?:tests|bench)/[\w/]+\.py)`", held_by)]
    assert files or "not to be tested here" in held_by
    assert not [file for file in files if not file.is_file()]
    text = "".join(file.read_text("utf-8") for file in files)
    for test in re.findall(r"`(test_\w+)`", held_by):
        assert f"def {test}(" in text, test
