"""Damaged documents are read or refused with a one-line error; `make soak` tries many more."""

from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.fuzz.targets import targets

CORPUS = Path(__file__).parent / "corpus"
FOUND = sorted(file for file in CORPUS.glob("*/*") if file.is_file())
NAMES = (
    *("csv", "gzip", "parquet", "mapped readings", "mapping"),
    *("manifest of a step", "manifest of a run", "record", "summary", "watermark", "steps", "published"),
    *("published documents", "host request"),
    *("pipeline", "settings", "model", "schema of a model", "pack", "pickle"),
)


@pytest.fixture(scope="module")
def all_targets(tmp_path_factory):
    return targets(tmp_path_factory.mktemp("fuzz"))


def test_every_target_is_fuzzed(all_targets):
    assert set(all_targets) == set(NAMES)
    assert {file.parent.name for file in FOUND} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_document_is_read_or_refused_in_one_line(all_targets, name):
    target = all_targets[name]

    @settings(max_examples=40, derandomize=True)  # `make soak` uses random inputs
    @given(target.inputs)
    def check(content):
        target.try_out(content)

    check()


@pytest.mark.parametrize("file", FOUND, ids=[f"{file.parent.name}/{file.name}" for file in FOUND])
def test_inputs_that_once_broke_a_reader_no_longer_do(all_targets, file):
    all_targets[file.parent.name].try_out(file.read_bytes())
