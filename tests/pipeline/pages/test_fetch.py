"""Results become files whose names are safe and distinct on every system."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pages.fetch import fetch, file_names
from scoring import InvalidKey, SensorKey


def test_keys_that_differ_in_case_only_have_files_of_their_own(store, tmp_path):
    names = ["preds_a_1.csv", "preds_A_1.csv", "preds_B_1.csv", "preds_%C3%A9_aB.csv", "preds_%C3%A9_Ab.csv"]
    for name in names:
        store.preds.put(f"run/{name}", name.encode())
    assert fetch(store, "run", tmp_path) == len(names)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "preds_a_1.csv": "preds_a_1.csv",
        "preds_%41_1.csv": "preds_A_1.csv",
        "preds_B_1.csv": "preds_B_1.csv",
        "preds_%C3%A9_a%42.csv": "preds_%C3%A9_aB.csv",
        "preds_%C3%A9_%41b.csv": "preds_%C3%A9_Ab.csv",
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "con",
            "NUL.csv",
            "aux.html",
            "Com1.json",
            "lpt9",
            "a/b",
            "a\\b",
            "..",
            ".",
            "x.",
            "x ",
            "",
            ".x",
            "~",
        ),
        *("preds_1_3.csv:evil", "a:b.csv", "a\nb", "\x1b[31m", "ü.csv", "x" * 256, "preds_?_1.csv", "a*"),
    ],
)
def test_what_no_run_writes_is_not_fetched(name):
    assert file_names([name, "summary.json"]) == {"summary.json": "summary.json"}


@pytest.mark.parametrize("name", ["_SUCCESS", "report.html", "preds_con_nul.csv", "x" * 255, "console.csv"])
def test_what_a_run_writes_is_fetched_under_its_name(name):
    assert file_names([name]) == {name: name}


@given(st.sets(st.tuples(st.text("aAbBéÉ_%", min_size=1), st.text("aA", min_size=1)), max_size=12))
def test_no_two_sensors_share_a_file(parts):
    try:
        names = [SensorKey(*both).preds_name for both in parts]
    except InvalidKey:
        return
    files = file_names(names)
    assert files.keys() == set(names)
    folded = sorted(file.casefold() for file in files.values())
    assert all(one != other for one, other in pairwise(folded))
