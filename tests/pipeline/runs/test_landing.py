from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RunDocumentError
from pipeline.runs.landing import Landing, Manifest, skipped_because

SAMPLES = Path(__file__).parents[1] / "samples"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
LANDINGS = st.builds(Landing, TEXT, TEXT, st.integers(0, 2**50), st.none() | TEXT)


class TestManifest:
    @given(TEXT, st.lists(LANDINGS))
    def test_what_is_written_is_read_again_and_always_as_the_same_bytes(self, run, landings):
        manifest = Manifest(run, tuple(landings))
        data = manifest.to_bytes()
        assert Manifest.from_bytes(data, "here") == manifest
        assert Manifest.from_bytes(data, "here").to_bytes() == data

    def test_a_manifest_of_version_1_still_loads(self):
        manifest = Manifest.from_bytes((SAMPLES / "manifest-1.json").read_bytes(), "sample")
        assert manifest.run == "blob-0123456789abcdef0123456789abcdef"
        assert manifest.landings[0].md5 == "1B2M2Y8AsgTpgAmY7PhCfg=="
        assert manifest.landings[1] == Landing("2018/08/28/grün.parquet", "0x8D5F0A1B2C3D4E6", 9, None)

    def test_a_newer_one_says_that_the_program_is_too_old(self):
        with pytest.raises(RunDocumentError, match=r"runs/x is a manifest of version 2; .* update it"):
            Manifest.from_bytes(b'{"version": 2}', "runs/x")

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"[]", b"null", b"\xff", b'{"version": 1, "run": "x", "landings": [1]}']
    )
    def test_a_damaged_one_is_reported_with_its_path(self, data):
        with pytest.raises(RunDocumentError, match=r"runs/x is not a manifest .* damaged"):
            Manifest.from_bytes(data, "runs/x")


class TestSkipping:
    @pytest.mark.parametrize("name", ["a.csv", "2018/08/28/site-a.csv", "a_b.csv", "a/b.c/d", "ä", "a b"])
    def test_readings_are_landings(self, name):
        assert skipped_because(name) is None
        assert skipped_because(name, 1) is None

    @pytest.mark.parametrize(
        "name", ["_SUCCESS", "a/_temporary/0/part.csv", ".hidden", "a/.ipynb_checkpoints/x.csv"]
    )
    def test_files_of_other_programs_are_not(self, name):
        assert "starts with '_' or '.'" in str(skipped_because(name))

    def test_nor_is_an_empty_blob(self):
        assert skipped_because("a.csv", 0) == "it is empty"
