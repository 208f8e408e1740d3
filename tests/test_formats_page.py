"""docs/formats.md is true: each timestamp is read as it says, each mapping is one, and no word is missing."""

import json
import re
from pathlib import Path

import pytest

from scoring import formats
from scoring.arrow import strings
from scoring.mapping import DELIMITERS, FORMATS, WORDS
from scoring.mapping_text import parse
from scoring.readings import timestamps, ts_formats

PAGE = (Path(__file__).parents[1] / "docs" / "formats.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


@pytest.mark.parametrize("row", table("### What TS can be"), ids=str)
def test_a_timestamp_of_the_page_is_read_as_it_says(row):
    text, mapping, expected = row[0].strip("`"), parse(row[1].strip("`")).of(""), row[2]
    times, valid = ts_formats.parse(strings([text]), mapping)
    assert valid.all()
    assert timestamps.to_texts(times, 10**9).to_pylist() == [expected]
    assert timestamps.parse(strings([text]))[1].all() == (not mapping.ts_format)


def test_the_mappings_of_the_page_are_valid():
    for option in re.findall(r'(?:--mapping |MAPPING=)"([^"]+)"', PAGE):
        assert parse(option).by_prefix
    for row in table("### Layouts that are often met"):
        for words in re.findall(r"`([^`]+)`", row[1]):
            assert parse(words).by_prefix
    [document] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert [prefix for prefix, _ in parse(document).by_prefix] == ["site-a/", "site-b/", ""]
    assert json.loads(document)


def test_the_page_has_every_word_of_a_mapping_and_every_file_of_a_run():
    for word in WORDS:
        assert re.search(rf"`{word}\b", PAGE), word
    assert all(f"`{name}`" in PAGE for name in DELIMITERS)
    assert all(name in PAGE for name in FORMATS if name != "iso")
    for columns in (formats.PREDICTION_COLUMNS, formats.REJECT_COLUMNS, formats.SUMMARY_COLUMNS):
        assert f"`{','.join(columns)}`" in PAGE
    for name in (formats.SUMMARY_JSON, formats.REJECTS_CSV, formats.BOUNDARIES_JSON, formats.PACK_NAME):
        assert f"`{name}`" in PAGE
