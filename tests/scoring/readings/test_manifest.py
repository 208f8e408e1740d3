import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import ManifestError
from scoring.formats import LandingStatus
from scoring.readings.manifest import ManifestLanding, RunManifest, locate

ENTRY: dict[str, object] = {"name": "2018/08/28/site-a.csv", "etag": "0x8D", "size": 5, "md5": None}
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
FIELDS = ("version", "run", "landings", "name", "etag", "size", "md5", "file", "found")


def md5(content):
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def landing(name, content=b"TS\n1\n", **facts):
    return ManifestLanding(
        **{"name": name, "etag": "0x8D", "size": len(content), "md5": md5(content), **facts}
    )


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "manifest.json"
        path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
        return path

    return write


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "outside.csv").write_bytes(b"TS\n1\n")
    return folder


def test_a_manifest_is_read_as_it_was_written(write):
    entries = [ENTRY, {**ENTRY, "name": "b.csv", "md5": md5(b""), "file": "000001.csv", "found": "vanished"}]
    manifest = RunManifest.read(write({"version": 1, "run": "blob-1", "landings": entries, "added later": 1}))
    assert manifest == RunManifest(
        "blob-1",
        (
            ManifestLanding("2018/08/28/site-a.csv", "0x8D", 5),
            ManifestLanding("b.csv", "0x8D", 5, md5(b""), "000001.csv", LandingStatus.VANISHED),
        ),
    )


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 2}, "version 2 is not 1; update this project"),
        ({"version": True}, "`$.version`"),
        ({"version": 1.0}, "`$.version`"),
        ({"run": None}, "`$.run`"),
        ({"run": 7}, "`$.run`"),
        ({"landings": {}}, "Expected `array`, got `object` - at `$.landings`"),
        ({"landings": ["a.csv"]}, "Expected `object`, got `str` - at `$.landings[0]`"),
        ({"landings": [ENTRY, ENTRY]}, "a landing is listed twice"),
        *(
            ({"landings": [{**ENTRY, **change}]}, f"`$.landings[0].{next(iter(change))}`")
            for change in (
                {"size": True},
                {"size": 1.5},
                {"size": "5"},
                {"size": None},
                {"found": "somewhere"},
                {"file": 3},
                {"name": ["a"]},
            )
        ),
        *(
            ({"landings": [{**ENTRY, **change}]}, "`$.landings[0]`")
            for change in ({"size": -1}, {"md5": "not base64"}, {"md5": "AAAA"}, {"found": "read"})
        ),
        ({"landings": [{**ENTRY, "name": "\ud800"}]}, "hex escape"),
    ],
)
def test_a_wrong_manifest_is_refused_with_what_is_wrong(write, change, complaint):
    path = write({"version": 1, "run": "blob-1", "landings": [ENTRY], **change})
    with pytest.raises(ManifestError) as caught:
        RunManifest.read(path)
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", pytest.param(b"[" * 100_000, id="deeply nested"), b"null", b"[]", b'"x"'],
)
def test_what_is_no_document_is_refused_in_one_line(write, content):
    with pytest.raises(ManifestError) as caught:
        RunManifest.read(write(content))
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_there_is_an_error_of_its_own(tmp_path):
    with pytest.raises(ManifestError, match="No such file"):
        RunManifest.read(tmp_path / "none.json")
    with pytest.raises(ManifestError, match="directory"):
        RunManifest.read(tmp_path)


def test_any_json_is_a_manifest_or_refused_in_one_line(tmp_path):
    path = tmp_path / "manifest.json"
    entry = st.dictionaries(st.sampled_from(FIELDS), JSON)
    document = st.fixed_dictionaries({"version": st.just(1), "run": JSON, "landings": st.lists(entry)})

    @given(st.one_of(JSON, st.dictionaries(st.sampled_from(FIELDS), JSON), document))
    def check(document):
        path.write_text(json.dumps(document))
        try:
            manifest = RunManifest.read(path)
        except ManifestError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most are refused, a few are not
        else:
            assert manifest.run == document["run"]

    check()


def test_a_landing_that_is_what_it_was_is_read(data):
    (data / "2018").mkdir()
    (data / "2018" / "a.csv").write_bytes(b"TS\n1\n")
    path, status, reason = locate(landing("2018/a.csv"), data)
    assert (path, status, reason) == (data / "2018" / "a.csv", "read", None)
    assert locate(landing("2018/a.csv", md5=None), data)[1] == "read"


def test_a_landing_fetched_to_another_file_is_found_there_whatever_its_name(data):
    (data / "000000.csv").write_bytes(b"TS\n1\n")
    for name in ("a.csv", "../../etc/passwd", "a\\b\n", ""):
        assert locate(landing(name, file="000000.csv"), data)[:2] == (data / "000000.csv", "read")


@pytest.mark.parametrize("content", [b"TS\n12\n", b"TS\n2\n"], ids=["another size", "the same size"])
def test_a_landing_that_was_replaced_is_superseded(data, content):
    (data / "a.csv").write_bytes(content)
    path, status, reason = locate(landing("a.csv"), data)
    assert (path, status) == (None, "superseded")
    assert reason


@pytest.mark.parametrize("name", ["a.csv", "folder/a.csv", "file/a.csv"])
def test_a_landing_that_is_gone_has_vanished(data, name):
    (data / "file").write_bytes(b"")
    assert locate(landing(name), data)[:2] == (None, "vanished")


@pytest.mark.parametrize("found", ["superseded", "vanished", "unreadable"])
def test_what_the_engine_found_is_taken_over(data, found):
    (data / "a.csv").write_bytes(b"TS\n1\n")
    path, status, reason = locate(landing("a.csv", found=found), data)
    assert (path, status) == (None, found)
    assert reason
    assert locate(landing("a.csv", found=found, reason="it is archived"), data)[2] == "it is archived"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../outside.csv",
            "a/../../outside.csv",
            "./a.csv",
            "a//b",
            "a/",
        ),
        *("a\\b", "a\nb", "a\0b", "\x7f", "x" * 256, "é" * 128),
    ],
)
def test_a_name_that_is_no_plain_path_is_never_opened(data, name):
    (data / "a").mkdir()
    path, status, reason = locate(landing(name), data)
    assert (path, status) == (None, "refused")
    assert reason
    assert "\n" not in reason
    assert locate(landing("fine", file=name), data)[:2] == (None, "refused")


def test_links_are_followed_within_the_data_folder_only(data):
    (data / "a.csv").write_bytes(b"TS\n1\n")
    (data / "inside.csv").symlink_to("a.csv")
    (data / "outside.csv").symlink_to("../outside.csv")
    (data / "folder").symlink_to("..")
    (data / "loop").symlink_to("loop")
    assert locate(landing("inside.csv"), data)[1] == "read"
    for name in ("outside.csv", "folder/outside.csv", "loop"):
        assert locate(landing(name), data)[:2] == (None, "refused")


def test_a_folder_is_no_landing(data):
    (data / "a.csv").mkdir()
    assert locate(landing("a.csv"), data)[:2] == (None, "refused")
