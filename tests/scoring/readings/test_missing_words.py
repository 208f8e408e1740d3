"""Words in place of values: with `missing` in the mapping they are what an empty value is."""

import csv
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.mapping import PLAIN, Mapping
from scoring.mapping_text import parse
from scoring.readings.files import Source, read_batches, read_sample
from scoring.readings.missing_words import find_missing_words
from scoring.readings.samples import Sample
from scoring.readings.suggest import suggest
from tests.scoring.run_command import scoring

HISTORIANS = [
    "Bad",
    "null",
    "No Data",
    "I/O Timeout",
    "#N/A",
    "---",
    "NaN",
    "[-11059] No Good Data",
    "a|b",
    "99",
]
type Found = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""Readings, and rejects."""

WORDS = st.lists(
    st.one_of(
        st.sampled_from(HISTORIANS),
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1).filter(lambda text: text != '"'),
    ),
    min_size=1,
    max_size=4,
    unique=True,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("missing")


@st.composite
def tables(draw) -> tuple[list[str], list[list[str]], bool]:
    """Words, rows of TS, Device, and a value or several, and whether the file is wide.

    The values are numbers, rejects, empty, or one of the words, also as a part of a longer one.
    """
    words = draw(WORDS)
    spaced = st.builds("{}{}".format, st.sampled_from(["", " "]), st.sampled_from(words))
    longer = st.builds(
        "{}{}{}".format, st.sampled_from("1x"), st.sampled_from(words), st.sampled_from(["", "5"])
    )
    longer |= st.builds("{}{}".format, st.sampled_from(words), st.sampled_from("1x"))
    number = st.floats(-100, 100).map(repr)
    value = st.one_of(number, st.sampled_from(["", " ", "other", "1e"]), spaced, longer)
    is_wide = draw(st.booleans())
    ts = st.sampled_from(["2026-01-01", "2026-01-01 00:00:05", "yesterday", ""])
    row = st.tuples(ts, st.sampled_from(["1", "pump", ""]), st.sampled_from("ab"), value, value)
    rows = draw(st.lists(row, max_size=20))
    return words, [[*each[:2], *(each[3:] if is_wide else each[2:4])] for each in rows], is_wide


def read(path: Path, mapping: Mapping, block_bytes: int) -> Found:
    readings: list[tuple[Any, ...]] = []
    rejects: list[tuple[Any, ...]] = []
    for batch in read_batches(Source("it", path, mapping=mapping), block_bytes=block_bytes):
        keys = [batch.keys[code] for code in batch.codes]
        texts = (batch.ts.to_pylist(), batch.value.to_pylist(), batch.values.tolist())
        readings += list(zip(keys, *texts, strict=True))
        columns = batch.rejects.select(["line", "reason", "device", "sensor", "kind", "hint"])
        rejects += [tuple(each.values()) for each in columns.to_pylist()]
    return readings, rejects


@settings(max_examples=100)
@given(tables(), st.sampled_from([50, 4 << 20]), st.sampled_from(["csv", "parquet"]))
def test_a_file_with_words_is_read_as_the_file_with_these_values_empty(folder, table, block_bytes, kind):
    words, rows, is_wide = table
    first = 2 if is_wide else 3
    header = ["TS", "Device", *("ab" if is_wide else ["Sensor", "Value"])]
    blank = [[*row[:first], *("" if cell.strip() in words else cell for cell in row[first:])] for row in rows]

    def found(content: list[list[str]], mapping: Mapping) -> Found:
        path = folder / "it"
        if kind == "parquet":
            columns = {name: [row[place] for row in content] for place, name in enumerate(header)}
            pq.write_table(pa.table({name: pa.array(c, pa.string()) for name, c in columns.items()}), path)
        else:
            text = io.StringIO()
            csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *content])
            path.write_text(text.getvalue(), newline="")
        return read(path, mapping, block_bytes)

    mapping = Mapping(missing=tuple(words), wide=() if is_wide else None)
    result = found(rows, mapping)
    assert result == found(blank, mapping)
    if is_wide:
        assert result == found(blank, Mapping(wide=()))
    else:  # the lines of rejects are those of the whole file
        kept = [row for row in blank if row[3].strip()]
        readings, rejects = found(kept, PLAIN)
        assert (result[0], [each[1:] for each in result[1]]) == (readings, [each[1:] for each in rejects])


def test_a_run_with_words_has_the_results_of_a_run_without_these_readings(tmp_path: Path) -> None:
    values = [f"{20 + (number * 7919 % 100) / 50}" for number in range(120)]
    rows = [f"2026-01-01 00:{n // 60:02}:{n % 60:02},1,1,{value}\n" for n, value in enumerate(values)]
    bad = [f"2026-01-01 01:00:{n:02},1,1,{HISTORIANS[n % 3]}\n" for n in range(30)]
    header = "TS,Device,Sensor,Value\n"
    plain, worded = tmp_path / "plain" / "a.csv", tmp_path / "worded" / "a.csv"
    for path, lines in ((plain, rows), (worded, [*rows[:50], *bad, *rows[50:]])):
        path.parent.mkdir()
        path.write_text(header + "".join(lines))
    mapping = ("--mapping", "missing='Bad,null,No Data'")
    command = ("train", "--models", tmp_path / "m", "--data")
    assert scoring(*command, worded, *mapping).code == 0
    model = (tmp_path / "m" / "model_1_1.skops").read_bytes()
    assert scoring(*command, plain).code == 0
    assert (tmp_path / "m" / "model_1_1.skops").read_bytes() == model
    for path, more in ((plain, ()), (worded, mapping)):
        result = scoring(
            "score", "--data", path, "--models", tmp_path / "m", "--out", path.parent / "out", *more
        )
        assert result.code == 0
    found = [
        {each.name: each.read_bytes() for each in (path.parent / "out").rglob("*.*")}
        for path in (plain, worded)
    ]
    assert found[0] == found[1]
    without = scoring("score", "--data", worded, "--models", tmp_path / "m", "--out", tmp_path / "out")
    assert without.code == 1
    assert "--mapping missing=WORD" in without.err


def test_a_number_can_stand_for_a_missing_value(tmp_path: Path) -> None:
    path = tmp_path / "it"
    mapping = parse("missing=-9999").of("")
    path.write_text("TS,Device,Sensor,Value\n2026-01-01,1,1,-9999\n2026-01-01,1,1,-9999.5\n")
    assert [each[3] for each in read(path, mapping, 50)[0]] == [-9999.5]
    table = {"TS": ["2026-01-01"] * 3, "Device": [1] * 3, "Sensor": [1] * 3, "Value": [-9999.0, 1.5, None]}
    pq.write_table(pa.table(table), path)
    assert read(path, mapping, 50)[0] == [(("1", "1"), "2026-01-01", "1.5", 1.5)]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["1", "Bad", "2.5", "null"], ("Bad", "null")),
        (["1", "NaN", "2"], ("NaN",)),
        (["1,5", "aus", "2,5", "1,5", "aus", "3"], ("aus",)),
        (["1", "°C", "2"], ()),  # a row of units
        (["1", "2", "3"], ()),
        (["Bad", "Bad", "1"], ()),  # no numbers
        ([str(number) for number in range(20)] + [f"bad {chr(97 + n)}" for n in range(6)], ()),
        (["1", "12 V", "2"], ()),
    ],
)
def test_a_few_words_among_numbers_are_found(column: list[str], words: tuple[str, ...]) -> None:
    assert find_missing_words(Sample(["a"], [[text] for text in column]), [0]) == words


def test_inspect_proposes_to_take_words_as_missing_and_counts_them_as_rejects_without(tmp_path: Path) -> None:
    path = tmp_path / "pump.csv"
    rows = "2026-01-01 00:00,1,Bad\n2026-01-01 00:01,2,3\n2026-01-01 00:02,No Data,4\n"
    path.write_text(f"Time,a,b\n{rows}")
    source = Source("pump.csv", path)
    suggestion = suggest(read_sample(source), "pump.csv")
    assert str(suggestion.mapping) == "device-from=file wide missing='No Data,Bad'"
    shown = scoring("inspect", path).out
    assert "readings  4 of 2 sensors" in shown
    assert "rejected" not in shown
    given = " ".join(scoring("inspect", path, "--mapping", "device-from=file wide").out.split())
    assert "check words in place of values are rejects: missing='No Data,Bad' if they mean" in given
    assert "rejected 2 (33 %)" in given
    half = scoring("inspect", path, "--mapping", "device-from=file wide missing=Bad").out
    assert "missing='Bad,No Data' if they" in half
