import base64
import gzip
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from scoring.errors import ReadingsError, UsageError
from scoring.formats import REJECT_COLUMNS, LandingStatus
from scoring.keys import SensorKey
from scoring.readings.files import (
    FileLimits,
    FoundLanding,
    Source,
    check_headers,
    find_sources,
    read_batches,
)
from scoring.readings.manifest import ManifestLanding, RunManifest
from scoring.readings.rows import Batch, concatenate

HEADER = b"TS,Device,Sensor,Value\n"
ROW = b"2018-08-28 23:00:05.000,1,3,10.16\n"


def batches(path, **how):
    return list(read_batches(Source("it", path), **how))


def rejects(path, **how):
    return [reject for batch in batches(path, **how) for reject in batch.rejects.to_pylist()]


def count(path, **how):
    return sum(len(batch.values) for batch in batches(path, **how))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "readings.csv"


def test_a_batch_has_unchanged_texts_and_their_numbers(path):
    path.write_bytes(HEADER + ROW + b' 2018-08-28T23:00+01 ,"a,b",1," +1.50"\n' + ROW)
    (batch,) = batches(path)
    assert batch.ts.to_pylist() == [
        "2018-08-28 23:00:05.000",
        " 2018-08-28T23:00+01 ",
        "2018-08-28 23:00:05.000",
    ]
    assert batch.value.to_pylist() == ["10.16", " +1.50", "10.16"]
    assert batch.values.tolist() == [10.16, 1.5, 10.16]
    assert [batch.keys[code] for code in batch.codes] == [
        SensorKey("1", "3"),
        SensorKey("a,b", "1"),
        SensorKey("1", "3"),
    ]
    first, second, _ = batch.times.astype("datetime64[ns]")
    assert first == np.datetime64("2018-08-28T23:00:05")
    assert second == np.datetime64("2018-08-28T22:00:00")
    assert batch.codes.dtype == np.uint16
    assert batch.rejects.column_names == list(REJECT_COLUMNS)


def test_the_seed_data_is_read_completely(seed):
    (batch,) = batches(seed / "sensor_data.csv")
    assert len(batch.values) == 17_768
    assert batch.rejects.num_rows == 0
    assert {(key.device, key.sensor) for key in batch.keys} == {(d, s) for d in "123" for s in "12345"}
    assert batch.times.min() == np.datetime64("2018-08-28T23:00:05", "ns").astype(int)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"yesterday,1,3,1", "TS 'yesterday' is not a timestamp"),
        (b",1,3,1", "TS is missing"),
        (b"\xff,1,3,1", "TS is not UTF-8"),
        (b"2018-08-28,,3,1", "Device is empty"),
        (b"2018-08-28,1,,1", "Sensor is empty"),
        (b"2018-08-28,\x07,3,1", "Device has a control character"),
        (b"2018-08-28,1," + b"x" * 129 + b",1", "Sensor has more than 128 characters"),
        (b"2018-08-28,1,\xe9,1", "Sensor is not UTF-8"),
        (b"2018-08-28," + b"_" * 50 + b"," + b"_" * 50 + b",1", "too long together to name a file"),
        (b"2018-08-28,1,3,", "Value is missing"),
        (b"2018-08-28,1,3,abc", "Value 'abc' is not a number"),
        (b"2018-08-28,1,3,1_0", "Value '1_0' is not a number"),
        (b"2018-08-28,1,3,nan", "Value 'nan' is not finite"),
        (b"2018-08-28,1,3,1e999", "Value '1e999' is not finite"),
        (b"2018-08-28,1,3", "expected 4 fields, found 3"),
        (b"2018-08-28,1,3,1,x", "expected 4 fields, found 5"),
        (b"2018-08-28,1,3,1,,", "expected 4 fields, found 6"),
        (b'2018-08-28,1,3,"1', "quote in column 4 is never closed"),
        (b'2018-08-28,"1"1,3,1', "text after the closing quote of column 2"),
        (b'2018-08-28,1"1,3,1', "stray quote in column 2"),
        (b'"2018-08-28","1",3,1,1,1', "expected 4 fields, found more"),
        (b"2018-08-28,1,3,1\r0", "Value '1\\r0' is not a number"),
    ],
)
@pytest.mark.parametrize("block_bytes", [16, 4 << 20])
def test_a_row_that_is_not_a_reading_is_rejected_with_its_line_and_reason(path, row, reason, block_bytes):
    path.write_bytes(HEADER + ROW + row + b"\n" + ROW)
    (reject,) = rejects(path, block_bytes=block_bytes)
    assert reason in reject["reason"]
    assert (reject["file"], reject["line"]) == ("it", 3)
    assert reject["text"] == row.decode(errors="replace")[:200]
    assert count(path, block_bytes=block_bytes) == 2


def test_a_reject_names_its_sensor_where_it_can(path):
    path.write_bytes(HEADER + b"yesterday,1,3,1\n2018-08-28,7,8\n")
    assert [(r["device"], r["sensor"]) for r in rejects(path)] == [("1", "3"), ("", "")]


def test_blank_lines_are_not_rows_but_count_as_lines(path):
    path.write_bytes(HEADER + b"\n\r\n\r\r\n" + ROW + b"\n" + b"x\n")
    assert [r["line"] for r in rejects(path)] == [7]
    assert count(path) == 1


def test_columns_can_be_in_any_order_and_others_are_ignored(path):
    path.write_bytes(b'\xef\xbb\xbf"unit", Value,Sensor,Device,TS,\nV,1.5,3,1,2018-08-28,\n')
    (batch,) = batches(path)
    assert batch.keys == [SensorKey("1", "3")]
    assert batch.values.tolist() == [1.5]


def test_a_multi_line_field_of_another_column_can_span_blocks(path):
    note = b'"' + b"line, and another one\n" * 60 + b'the ""last"""'
    path.write_bytes(b"TS,Device,Sensor,Value,note\n" + (ROW[:-1] + b"," + note + b"\n") * 5 + b"x\n")
    for block_bytes in (16, 500, 4 << 20):
        assert count(path, block_bytes=block_bytes) == 5
        assert [r["line"] for r in rejects(path, block_bytes=block_bytes)] == [2 + 5 * 61]


def test_a_field_over_too_many_lines_is_an_unclosed_quote(path):
    note = b'"' + b"line\n" * 100 + b'"'
    path.write_bytes(b"TS,Device,Sensor,Value,note\n" + ROW[:-1] + b"," + note + b"\n" + ROW[:-1] + b",\n")
    assert count(path) == 1
    assert len(rejects(path)) == 101


def test_two_stray_quotes_do_not_swallow_the_readings_between_them(path):
    fine = ROW[:-1] + b",fine\n"
    path.write_bytes(b"TS,Device,Sensor,Value,note\n" + ROW[:-1] + b',"x\n' + fine * 3 + ROW[:-1] + b',x"\n')
    assert [r["line"] for r in rejects(path)] == [2]
    assert count(path) == 4, "the last one's quote stands inside a note, where it does no harm"


def test_a_too_long_row_is_one_reject_and_the_rest_is_read(path):
    for end in (b"\n", b"\r\n", b"\r"):
        content = HEADER + ROW + b"x" * (9 << 20) + b"\n" + ROW + b"y" * (5 << 20) + b"\n" + ROW
        path.write_bytes(content.replace(b"\n", end))
        found = rejects(path, block_bytes=1 << 20)
        assert [r["line"] for r in found] == [3, 5]
        assert all("4,194,304 bytes" in r["reason"] for r in found)
        assert [r["text"] for r in found] == ["x" * 200, "y" * 200]
        assert count(path, block_bytes=1 << 20) == 3


def test_an_irregular_block_is_read_the_same_at_any_size(path):
    rows = [b'2018-08-28,1,3,%d,"a, ""b"""\n' % n for n in range(40_000)]
    rows[7] = b"\n"
    rows[20_000] = b'2018-08-28,1,3,20000,"' + b"long, " * 100_000 + b'"\n'
    rows[30_000] = b'2018-08-28,1,3,30000,"stray\n'
    path.write_bytes(HEADER[:-1] + b",note\n" + b"".join(rows))
    for block_bytes in (1 << 14, 4 << 20):
        values = [value for batch in batches(path, block_bytes=block_bytes) for value in batch.values]
        assert values == [n for n in range(40_000) if n not in {7, 30_000}]
        assert [r["line"] for r in rejects(path, block_bytes=block_bytes)] == [30_002]


def test_an_unclosed_quote_before_a_too_long_row_is_a_reject_of_its_own(path):
    note = ROW[:-1] + b',"note\n'
    path.write_bytes(HEADER[:-1] + b",note\n" + note + b"x" * (5 << 20) + b"\n" + ROW[:-1] + b",\n")
    found = rejects(path, block_bytes=1 << 20)
    assert [r["line"] for r in found] == [2, 3]
    assert "never closed" in found[0]["reason"]
    assert count(path, block_bytes=1 << 20) == 1


def test_a_block_of_very_many_short_lines_is_read_in_parts(path):
    path.write_bytes(HEADER + b"x\n" * 140_000 + ROW)
    found = batches(path)
    lines = [line for batch in found for line in batch.rejects["line"].to_pylist()]
    assert lines == list(range(2, 140_002))
    assert sum(len(batch.values) for batch in found) == 1
    assert len(found) == 2


def test_more_sensors_than_two_bytes_can_number_have_codes_of_four(path):
    rows = b"".join(b"2018-08-28,%d,%d,%d\n" % (n // 300, n % 300, n) for n in range(70_000))
    path.write_bytes(HEADER + rows)
    (batch,) = batches(path)
    assert batch.codes.dtype == np.int32
    assert all(
        (key.device, key.sensor) == (str(n // 300), str(n % 300))
        for n, key in enumerate(batch.keys[code] for code in batch.codes)
    )


def test_very_many_devices_and_sensors_are_distinguished(path):
    rows = b"".join(b"2018-08-28,d%d,s%d,%d\n" % (n, n % 1999, n) for n in range(2000))
    path.write_bytes(HEADER + rows)
    (batch,) = batches(path)
    keys = [batch.keys[code] for code in batch.codes]
    assert keys == [SensorKey(f"d{n}", f"s{n % 1999}") for n in range(2000)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\n\n", "an empty first line"),
        (b"TS,Device,Sensor\n", "no column Value in 'TS,Device,Sensor'"),
        (b"TS,Device,Sensor,Values\n", "no column Value"),
        (b"TS,Device,Sensor,Val,VALUE,value\n", "2 columns Value in 'TS,Device,Sensor,Val,VALUE,value'"),
        (b"time,timestamp,Device,Sensor,Value\n", "(time and timestamp): name one with ts="),
        (b"TS,TS,Device,Sensor,Value\n", "2 columns TS"),
        (b"TS|Device|Sensor|Value\n", "no column TS in 'TS|Device|Sensor|Value'"),
        (ROW, "no column TS"),
        (HEADER.decode().encode("utf-16-le"), "binary data"),
        (b"PK\x03\x04\x14\0\0\0", "a zip file: unpack it"),
        (b"TS,D\xe9vice,Sensor,Value\n", "not UTF-8"),
        (b'TS,"Device,Sensor,Value\n', "the first line"),
        pytest.param(b"x" * (2 << 20), "a first line of more than 1,048,576 bytes", id="endless line"),
        pytest.param(b"," * 20_000 + HEADER, "20,004 columns", id="many columns"),
    ],
)
def test_a_file_without_the_header_is_refused_with_what_was_expected_and_found(path, content, found):
    path.write_bytes(content)
    with pytest.raises(ReadingsError) as caught:
        batches(path)
    message = str(caught.value)
    assert message.startswith("it: expected a CSV file with the columns TS, Device, Sensor, Value, found ")
    assert found in message
    assert len(message.splitlines()) == 1
    assert check_headers([Source("it", path)]) == (
        [],
        [FoundLanding("it", LandingStatus.UNREADABLE, message)],
    )


@pytest.mark.parametrize(
    "content",
    [
        HEADER,
        HEADER + ROW,
        HEADER + b"not a reading\n",
        gzip.compress(HEADER + ROW),
        gzip.compress(HEADER + ROW * 100_000)[:-100],  # damaged behind its header
    ],
    ids=["header", "reading", "reject", "gzip", "cut"],
)
def test_a_file_that_starts_as_readings_passes_the_check_of_headers(path, content):
    path.write_bytes(content)
    source = Source("it", path)
    assert check_headers([source]) == ([source], [])


def test_the_check_of_headers_reports_the_files_that_cannot_be_opened(tmp_path, path):
    path.write_bytes(HEADER)
    good, missing = Source("it", path), Source("none.csv", tmp_path / "none.csv")
    cut = Source("cut.gz", tmp_path / "cut.gz")
    cut.path.write_bytes(gzip.compress(HEADER)[:12])
    usable, unreadable = check_headers([missing, good, cut])
    assert usable == [good]
    assert [found.name for found in unreadable] == ["none.csv", "cut.gz"]
    assert unreadable[0].reason == "none.csv: No such file or directory"
    assert "expected a whole gzip file" in str(unreadable[1].reason)


@pytest.mark.parametrize("header", [HEADER, HEADER[:-1], HEADER[:-1] + b"\r\n", HEADER[:-1] + b"\r"])
def test_a_header_alone_is_a_file_without_readings(path, header):
    path.write_bytes(header)
    assert count(path) == 0
    assert rejects(path) == []


def test_gzip_is_detected_by_its_first_bytes(path):
    path.write_bytes(gzip.compress(HEADER + ROW) + gzip.compress(ROW))
    assert count(path) == 2


def test_a_truncated_gzip_file_gives_its_start_and_an_error(path):
    numbers = np.random.default_rng(0).random(100_000).tolist()
    whole = gzip.compress(HEADER + b"".join(b"2018-08-28,1,3,%r\n" % number for number in numbers))
    path.write_bytes(whole[: len(whole) // 2])
    with ThreadPoolExecutor(2) as pool:
        for executor in (None, pool):
            found: list[Batch] = []
            reading = read_batches(Source("it", path), block_bytes=1 << 16, executor=executor)
            with pytest.raises(ReadingsError, match="it: expected a whole gzip file"):
                found.extend(reading)
            values = [value for batch in found for value in batch.values]
            assert len(values) > 30_000
            assert values == numbers[: len(values)]
    for end in (1, 2, 5, 15, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ReadingsError):
            batches(path)


@pytest.mark.parametrize("limits", [FileLimits(row_bytes=1000), FileLimits(row_bytes=100)])
def test_a_row_can_be_as_long_as_the_limit_and_no_longer(path, limits):
    start = b"2018-08-28,1,3,0"
    fits = start + b"0" * (limits.row_bytes - len(start) - 1) + b"\n"
    path.write_bytes(HEADER + fits + start + b"00" + fits[len(start) :] + ROW)
    for block_bytes in (64, 1 << 20):
        found = list(read_batches(Source("it", path, limits), block_bytes=block_bytes))
        assert sum(len(batch.values) for batch in found) == 2
        (reject,) = [row for batch in found for row in batch.rejects.to_pylist()]
        assert (reject["line"], reject["reason"]) == (3, f"row of more than {limits.row_bytes:,} bytes")


def test_a_file_that_unpacks_to_more_than_the_limit_gives_its_start_and_an_error(path):
    path.write_bytes(gzip.compress(HEADER + ROW * 10_000))
    unpacked = len(HEADER) + 10_000 * len(ROW)
    reading = read_batches(Source("it", path, FileLimits(unpacked_bytes=unpacked)), block_bytes=1000)
    assert sum(len(batch.values) for batch in reading) == 10_000
    found: list[Batch] = []
    reading = read_batches(Source("it", path, FileLimits(unpacked_bytes=unpacked - 1)), block_bytes=1000)
    with pytest.raises(ReadingsError, match=f"it: it unpacks to more than {unpacked - 1:,} bytes: split it"):
        found.extend(reading)
    assert 9_900 < sum(len(batch.values) for batch in found) < 10_000


def test_blocks_parsed_ahead_come_in_order(path):
    rows = [b"2018-08-28,%d,3,%d\n" % (n % 7, n) for n in range(5000)]
    rows[1234] = b"x\n"
    path.write_bytes(HEADER + b"".join(rows))
    with ThreadPoolExecutor(4) as pool:
        found = batches(path, block_bytes=1000, executor=pool)
    assert [v for batch in found for v in batch.values] == [n for n in range(5000) if n != 1234]
    assert [line for batch in found for line in batch.rejects["line"].to_pylist()] == [1236]


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(ReadingsError, match="it: No such file"):
        batches(tmp_path / "none.csv")
    with pytest.raises(ReadingsError, match="it: Is a directory"):
        batches(tmp_path)


def test_a_folder_is_read_in_order_of_names_without_hidden_files(tmp_path):
    for name in ("b.csv", "a/2.csv", "a/1.csv.gz", "_SUCCESS", ".hidden", "_tmp/3.csv", ".git/4.csv", "a/.5"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    sources, missing = find_sources(tmp_path, None)
    assert [source.name for source in sources] == ["a/1.csv.gz", "a/2.csv", "b.csv"]
    assert [source.path for source in sources] == [tmp_path / source.name for source in sources]
    assert missing == []
    assert find_sources(tmp_path / "b.csv", None) == ([Source("b.csv", tmp_path / "b.csv")], [])


def test_what_cannot_be_read_in_a_folder_is_reported(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_bytes(HEADER + ROW)
    (tmp_path / "linked").symlink_to("folder")
    (tmp_path / "nowhere.csv").symlink_to("gone.csv")
    (tmp_path / "round.csv").symlink_to("round.csv")
    (tmp_path / "_hidden").symlink_to("folder")
    os.mkfifo(tmp_path / "pipe.csv")
    sources, missing = find_sources(tmp_path, None)
    assert [source.name for source in sources] == ["folder/a.csv"]
    assert {status.name: status.reason for status in missing} == {
        "linked": "links to folders are not followed: name that folder",
        "nowhere.csv": "it is a broken link",
        "pipe.csv": "it is not a file",
        "round.csv": "it is a broken link",
    }
    assert {status.status for status in missing} == {"unreadable"}


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(20):  # deeper than the system allows in one path
        Path("d" * 250).mkdir()
        os.chdir("d" * 250)
    sources, (closed,) = find_sources(tmp_path, None)
    assert sources == []
    assert closed.status == "unreadable"
    assert closed.reason == "File name too long: the folder cannot be listed"


def test_a_file_name_that_is_not_utf_8_can_be_reported(tmp_path):
    (tmp_path / "caf\udce9.csv").write_bytes(HEADER + ROW)
    (source,), _ = find_sources(tmp_path, None)
    assert source.name == "caf\ufffd.csv"
    assert sum(len(batch.values) for batch in read_batches(source)) == 1


def test_only_landings_of_the_manifest_are_read_and_the_others_reported(tmp_path):
    (tmp_path / "a.csv").write_bytes(HEADER + ROW)
    (tmp_path / "b.csv").write_bytes(HEADER)
    (tmp_path / "not-in-it.csv").write_bytes(HEADER)
    size = len(HEADER + ROW)
    md5 = base64.b64encode(hashlib.md5(HEADER + ROW, usedforsecurity=False).digest()).decode()
    names = ["gone.csv", "b.csv", "a.csv", "../a.csv"]
    manifest = RunManifest("run", tuple(ManifestLanding(name, "0x1", size, md5) for name in names))
    sources, missing = find_sources(tmp_path, manifest)
    assert sources == [Source("a.csv", tmp_path / "a.csv")]
    assert [(status.name, status.status) for status in missing] == [
        ("gone.csv", "vanished"),
        ("b.csv", "superseded"),
        ("../a.csv", "refused"),
    ]
    assert all(status.reason for status in missing)


def test_missing_data_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        find_sources(tmp_path / "none", None)
    (tmp_path / "a.csv").write_bytes(HEADER)
    with pytest.raises(UsageError, match="a manifest names files in a folder"):
        find_sources(tmp_path / "a.csv", RunManifest("run", ()))


# Not resource.getrusage: for a new process it includes the parent's.
PEAK = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from scoring.readings.files import Source, read_batches
readings = rejects = 0
with ThreadPoolExecutor(2) as pool:
    for batch in read_batches(Source("it", Path(sys.argv[1])), executor=pool):
        readings += len(batch.values)
        rejects += batch.rejects.num_rows
status = Path("/proc/self/status").read_text().split()
print(readings, rejects, int(status[status.index("VmHWM:") + 1]) // 1024)
"""


def peak(path):
    """Readings, rejects and the peak memory in MB of a process that reads a file."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stdout.split()))


@pytest.mark.slow
def test_the_memory_that_reading_takes_does_not_grow_with_the_file(path):
    chunk = b"".join(b"2018-08-28 23:00:05.000,%d,%d,10.16\n" % (n % 100, n % 7) for n in range(50_000))
    path.write_bytes(HEADER + chunk)
    _, _, small = peak(path)
    with path.open("ab") as file:
        for _ in range(80):
            file.write(chunk)
    readings, rejects, large = peak(path)
    assert (readings, rejects) == (81 * 50_000, 0)
    assert large < small + 150


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "rejects"),
    [(b"\0" * (1 << 20), 1), (b"x\n" * (1 << 19), 1 << 19), (b"," * (1 << 20), 1), (b',"' * (1 << 19), 1)],
    ids=["zeros", "short lines", "commas", "quotes"],
)
def test_a_gzip_bomb_needs_no_more_memory_than_another_file(path, line, rejects):
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEADER)
        for _ in range(1 if b"\n" in line else 200):
            file.write(line)
    assert path.stat().st_size < 3 << 20
    readings, found, megabytes = peak(path)
    assert (readings, found) == (0, rejects)
    assert megabytes < 600


def test_batches_become_one_with_their_readings_and_rejects_in_order(path):
    rows = [f"2026-01-01 00:00:{n:02},{n % 3},{n % 2},{n}.5\n".encode() for n in range(20)]
    path.write_bytes(HEADER + b"".join(rows[:10]) + b"2026-13-01,1,1,1\n" + b"".join(rows[10:]))
    whole, small = batches(path), batches(path, block_bytes=64)
    assert len(small) > 3
    found = concatenate(small)
    (expected,) = whole
    assert [found.keys[code] for code in found.codes] == [expected.keys[code] for code in expected.codes]
    for name in ("ts", "value"):
        assert getattr(found, name).to_pylist() == getattr(expected, name).to_pylist()
    assert found.values.tolist() == expected.values.tolist()
    assert found.times.tolist() == expected.times.tolist()
    assert found.rejects.to_pylist() == expected.rejects.to_pylist()
    assert found.codes.dtype == expected.codes.dtype
