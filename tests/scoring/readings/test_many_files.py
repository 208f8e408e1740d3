"""Many files read as one stream give what each gives by itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.errors import ReadingsError
from scoring.formats import LandingStatus
from scoring.readings import many_files
from scoring.readings.files import FileLimits, FoundLanding, Source, read_batches
from scoring.readings.many_files import ReadBatch, read_files
from tests.scoring.readings.test_readings_mangled import PLAIN_HEADER, files, mangled, row

HEADER = b"TS,Device,Sensor,Value\n"
ROW = b"2026-01-01 00:00:00,1,3,10.5\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("many")


def stored(folder, contents, limits=None):
    sources = []
    for number, content in enumerate(contents):
        path = folder / f"{number:03}.csv"
        path.write_bytes(content)
        sources.append(Source(f"site/{number:03}.csv", path, limits or FileLimits()))
    return sources


def rows_of(batch):
    keys = [batch.keys[code] for code in batch.codes.tolist()]
    columns = (batch.ts.to_pylist(), batch.value.to_pylist(), batch.values.tolist())
    return list(zip(keys, *columns, batch.times.tolist(), strict=True)), batch.rejects.to_pylist()


def each_alone(sources):
    rows, rejects, landings = [], [], []
    counts: dict[str, tuple[int, int]] = {}
    for source in sources:
        status, reason = LandingStatus.READ, None
        try:
            for batch in read_batches(source):
                more, refused = rows_of(batch)
                rows += more
                rejects += refused
                before = counts.get(source.name, (0, 0))
                counts[source.name] = (before[0] + len(more), before[1] + len(refused))
        except ReadingsError as error:
            status, reason = LandingStatus.UNREADABLE, str(error)
        landings.append(FoundLanding(source.name, status, reason))
    return rows, rejects, counts, landings


def together(sources):
    rows, rejects, landings = [], [], []
    counts: dict[str, tuple[int, int]] = {}
    for each in read_files(sources):
        if isinstance(each, ReadBatch):
            more, refused = rows_of(each.batch)
            rows += more
            rejects += refused
            for part in each.parts:
                before = counts.get(part.source.name, (0, 0))
                counts[part.source.name] = (before[0] + part.readings, before[1] + part.rejected)
        else:
            landings.append(each)
    return rows, rejects, counts, landings


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            files(PLAIN_HEADER, row(PLAIN_HEADER, one_line=True)),
            files(PLAIN_HEADER, row(PLAIN_HEADER), mangled(PLAIN_HEADER)),
            st.sampled_from(
                [b"", HEADER, HEADER[:-1], HEADER + ROW, HEADER + b"\xef\xbb\xbf" + ROW, HEADER + ROW[:-1]]
            ),
            st.sampled_from(
                [
                    HEADER + ROW + b"2026-13-01,1,3,1\n",
                    HEADER + b"2026-01-01,1,3,abc\n" + ROW,
                    HEADER + ROW + b"\n\n",
                    HEADER + ROW + b"1,2\n" + ROW,
                    HEADER + ROW + b"\r",
                    b"TS;Device;Sensor;Value\n1;2;3;4\n",
                    b"PAR1",
                    b"\x1f\x8b",
                ]
            ),
        ),
        max_size=12,
    )
)
def test_files_read_together_give_what_each_gives_by_itself(folder, contents):
    sources = stored(folder, contents)
    expected, found = each_alone(sources), together(sources)
    assert found[:2] == expected[:2]
    assert {name: count for name, count in found[2].items() if any(count)} == {
        name: count for name, count in expected[2].items() if any(count)
    }
    assert found[3] == expected[3]


def test_plain_files_are_one_batch_and_a_damaged_one_is_read_by_itself(folder):
    good = HEADER + ROW * 3
    batches = [each for each in read_files(stored(folder, [good] * 9)) if isinstance(each, ReadBatch)]
    assert [len(each.parts) for each in batches] == [9]
    contents = [good] * 4 + [good + b"1,2\n"] + [good] * 4
    batches = [each for each in read_files(stored(folder, contents)) if isinstance(each, ReadBatch)]
    assert sum(len(each.parts) for each in batches) == 9
    assert max(len(each.parts) for each in batches) >= 3


def test_a_file_that_is_larger_than_a_row_can_be_is_read_by_itself(folder):
    content = HEADER + ROW + b"x" * 400 + b"\n"
    sources = stored(folder, [content] * 3, FileLimits(row_bytes=100))
    assert together(sources) == each_alone(sources)
    assert {reject["kind"] for reject in together(sources)[1]} == {"too-long"}


def test_a_group_is_no_larger_than_a_block(folder, monkeypatch):
    monkeypatch.setattr(many_files, "BLOCK_BYTES", 3 * len(ROW))
    batches = [each for each in read_files(stored(folder, [HEADER + ROW] * 7)) if isinstance(each, ReadBatch)]
    assert [len(each.parts) for each in batches] == [3, 3, 1]
