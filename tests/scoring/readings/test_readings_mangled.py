"""Mangled CSV never makes the reader crash, lose a valid row, or accept an invalid one."""

import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.errors import ReadingsError
from scoring.readings.files import Source, read_batches
from tests.scoring.readings import csv_reference

PLAIN_HEADER = ["TS", "Device", "Sensor", "Value"]
WIDE_HEADER = ["note", "Value", "Sensor", "site", "TS", "Device", "unit"]

BLOCK_SIZES = st.sampled_from([1, 2, 7, 16, 64, 200, 4 << 20])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("mangled") / "readings"


@pytest.fixture(scope="module")
def pool():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def read(path, content, block_bytes=4 << 20, executor=None):
    """All readings as texts, and the lines of the rejects."""
    path.write_bytes(content)
    readings, rejects = [], []
    for batch in read_batches(Source("it", path), block_bytes=block_bytes, executor=executor):
        codes = batch.codes.tolist()
        assert sorted(set(codes)) == list(range(len(batch.keys)))
        assert len(codes) == len(batch.ts) == len(batch.values) == len(batch.times)
        assert [float(text) for text in batch.value.to_pylist()] == batch.values.tolist()
        keys = [batch.keys[code] for code in codes]
        ts, values = batch.ts.to_pylist(), batch.value.to_pylist()
        readings += [(t, k.device, k.sensor, v) for t, k, v in zip(ts, keys, values, strict=True)]
        rejects += batch.rejects.to_pylist()
    assert all(reject["reason"] and "\n" not in reject["reason"] for reject in rejects)
    return readings, [reject["line"] for reject in rejects]


def assert_as_expected(path, content, header, block_bytes, executor=None):
    expected = csv_reference.read(content, header)
    readings, rejects = read(path, content, block_bytes, executor)
    assert readings == expected.readings
    assert rejects == expected.rejects


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


TS = st.sampled_from(
    [
        "2018-08-28 23:00:05.000",
        "2018-08-28T23:00:05Z",
        " 2018-08-28",
        "1999-12-31 23:59+01:00",
        "2020-02-29",
        "2026-01-01 00:00:00.0000000 +00:00",
        "2026-01-01 00:00:00 UTC",
        "2026-01-01 00 -03",
    ]
)
PART = st.one_of(
    st.sampled_from(["1", "2", "3", " 1", "1.0", "2.00 ", "1.10"]),
    st.text(st.sampled_from('aé"_,😀 -1'), min_size=1, max_size=6).filter(str.strip),
)
VALUE = st.sampled_from(["10.16", "-3", " 1e-3 ", "+.5", "0", "99999999999999999999"])
NOTE = st.text(st.sampled_from('ab,"\n\r é'), max_size=8)


@st.composite
def row(draw, header, *, one_line=False):
    """A valid row, with fields quoted where necessary and elsewhere at random."""
    draws = {"TS": TS, "Device": PART, "Sensor": PART, "Value": VALUE}
    fields = []
    for name in header:
        text = draw(draws.get(name, NOTE))
        if one_line:
            text = text.replace("\n", "").replace("\r", "")
        must = any(char in text for char in ',"\r\n')
        fields.append(quoted(text) if must or draw(st.booleans()) else text)
    return ",".join(fields).encode()


@st.composite
def mangled(draw, header):
    """A row with a few bytes cut out, doubled or replaced."""
    content = bytearray(draw(row(header, one_line=True)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 4))
        content[at : at + length] = draw(
            st.sampled_from(
                [b"", b'"', b",", b"\r", b"\0", b"\xff", b"x", b" ", b'""', b"nan", b"\n", b"\xef\xbb\xbf"]
            )
        )
    return bytes(content)


def files(header, *rows):
    """Whole files: a header, then any of `rows`, with each kind of line end."""
    return st.builds(
        lambda bom, end, rows, last: (
            bom + end.join([",".join(header).encode(), *rows]) + (end if last else b"")
        ),
        st.sampled_from([b"", b"\xef\xbb\xbf"]),
        st.sampled_from([b"\n", b"\r\n", b"\r"]),
        st.lists(st.one_of(*rows), max_size=6),
        st.booleans(),
    )


@pytest.mark.parametrize("header", [PLAIN_HEADER, WIDE_HEADER], ids=["plain", "wide"])
def test_all_valid_rows_are_read_wherever_blocks_are_cut(header, path):
    @given(st.lists(row(header), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), BLOCK_SIZES)
    def check(rows, end, block_bytes):
        content = end.encode().join([",".join(header).encode(), *rows, b""])
        readings, rejects = read(path, content, block_bytes)
        assert rejects == []
        assert len(readings) == len(rows)

    check()


@pytest.mark.parametrize("header", [PLAIN_HEADER, WIDE_HEADER], ids=["plain", "wide"])
def test_mangled_files_are_read_as_the_reference_reads_them(header, path, pool):
    @settings(max_examples=150)
    @given(files(header, row(header), mangled(header), st.just(b"")), BLOCK_SIZES, st.booleans())
    def check(content, block_bytes, ahead):
        assert_as_expected(path, content, header, block_bytes, pool if ahead else None)

    check()


@pytest.mark.parametrize("header", [PLAIN_HEADER, WIDE_HEADER], ids=["plain", "wide"])
def test_a_row_of_any_bytes_does_not_affect_the_rows_around_it(header, path):
    noise = st.lists(
        st.sampled_from([b'"', b",", b'",', b',"', b"1", b"\n", b"\r", b"\xff", b"\0"]), max_size=24
    )

    @settings(max_examples=100)
    @given(row(header, one_line=True), noise.map(b"".join), row(header, one_line=True), BLOCK_SIZES)
    def check(before, garbage, after, block_bytes):
        content = b"\n".join([",".join(header).encode(), before, garbage, after])
        readings, _ = read(path, content, block_bytes)
        alone = [csv_reference.read(b"\n" + line, header).readings for line in (before, after)]
        assert [readings[:1], readings[-1:]] == alone

    check()


@settings(max_examples=200)
@given(st.binary(max_size=200), BLOCK_SIZES, st.booleans())
@example(b"", 1, False)
@example(b"\x1f\x8b", 1, False)
@example(b"PAR1", 1, False)
@example(b"PAR1" + b"\0" * 20 + b"PAR1", 1, False)
@example(b"TS,Device,Sensor,Value", 1, True)
def test_files_of_any_bytes_are_read_or_refused_in_one_line(path, content, block_bytes, zipped):
    try:
        read(path, gzip.compress(content) if zipped else content, block_bytes)
    except ReadingsError as error:
        assert str(error).startswith("it: ")  # noqa: PT017 - most files are refused, a few are not
        assert "\n" not in str(error)  # noqa: PT017
