"""Files with a mapping: no row is lost, none is invented, and the answers are those of a plain file."""

import csv
import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from scoring.errors import ReadingsError
from scoring.mapping import DELIMITERS, FORMATS, PLAIN, InvalidMapping, Mapping, Mappings
from scoring.mapping_text import parse
from scoring.readings.files import Source, check_headers, read_batches, read_sample
from scoring.readings.rows import as_texts
from tests.scoring.run_command import scoring

NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=8)
FORMS = (*FORMATS, "%d.%m.%Y %H:%M:%S", "%b %d %Y %I:%M:%S %p", "%Y%m%dT%H%M%S%z")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("mapped") / "readings"


def assert_one_line(error):
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 1000


@st.composite
def mappings(draw):
    """Any valid mapping."""
    part = st.sampled_from(["", "-is", "-from"])
    words = {}
    for name in ("device", "sensor"):
        if draw(st.booleans()):
            kind = draw(part)
            words[f"{name}{kind}".replace("-", "_")] = draw(
                st.sampled_from(["file", "folder"]) if kind == "-from" else NAMES
            )
    optional = {
        "ts": st.lists(NAMES, max_size=3).map(tuple),
        "ts_format": st.sampled_from(FORMS),
        "ts_zone": st.sampled_from(["Europe/Berlin", "+05:30", "UTC"]),
        "value": NAMES,
        "wide": st.lists(NAMES, max_size=3).map(tuple),
        "missing": st.lists(NAMES, max_size=3).map(tuple),
        "delimiter": st.sampled_from([*DELIMITERS, "#", "~"]),
        "decimal": st.sampled_from(["comma", "point"]),
        "encoding": st.sampled_from(["cp1252", "latin-1", "utf-16", "utf-8", "gb18030"]),
        "header": st.integers(1, 5),
    }
    for word, values in optional.items():
        if draw(st.booleans()):
            words[word] = draw(values)
    try:
        return Mapping(**words)
    except InvalidMapping:
        assume(False)


@given(mappings())
@example(Mapping(wide=("a,b", 'c"d', "e f"), ts=("it's",)))
@example(Mapping(ts=("Time, UTC", "zone")))
@example(Mapping(ts=("Time, UTC",)))
def test_a_mapping_is_the_same_as_words_as_json_and_on_the_command_line_of_a_step(mapping):
    once = parse(json.dumps(mapping.to_json()))
    assert once.of("any") == mapping
    assert parse(str(mapping)) == parse(str(once)) == once
    assert parse(once.encoded) == once
    assert once.encoded == "" or set(once.encoded) <= set("%0123456789ABCDEF-_.~") | set(
        "abcdefghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ"
    )


@given(st.dictionaries(NAMES, mappings(), min_size=1))
def test_the_mapping_of_the_longest_prefix_is_used(by_prefix):
    assume(not set(by_prefix) <= {"ts", "wide", "missing"})
    found = parse(json.dumps({prefix: mapping.to_json() for prefix, mapping in by_prefix.items()}))
    for prefix, mapping in by_prefix.items():
        longer = [other for other in by_prefix if f"{prefix}\n".startswith(other)]
        assert found.of(f"{prefix}\n") == by_prefix[max(longer, key=len)]
        assert found.of(prefix) == mapping
    assert parse(str(found)) == found
    assert parse(found.encoded) == (found if any(m != PLAIN for m in by_prefix.values()) else Mappings())


@given(st.one_of(st.text(), st.text(st.sampled_from("ts=wide{}\":, -format%YmdÄ'[]"))))
def test_any_text_is_a_mapping_or_an_invalid_one(text):
    try:
        parse(text)
    except InvalidMapping as error:
        assert_one_line(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tz=UTC", "'tz' is unknown"),
        ("ts-formt=iso", "ts-format?"),
        ("wide sensor=a", "give wide, or sensor and value"),
        ("device=a device-is=b", "contradict"),
        ("ts", "ts has no value"),
        ("ts=a ts=b", "given twice"),
        ("ts=a,", "ts lists an empty name"),
        ("ts=", "ts lists no name"),
        ("ts=Date,Date", "ts lists 'Date' twice: give each column once"),
        ('{"ts": ["a", "b", "a"]}', "ts lists 'a' twice"),
        ("missing=", "missing lists no text"),
        ("missing=Bad,", "missing lists an empty text"),
        ("missing='Bad, '", "missing lists an empty text"),
        ("missing", "missing has no value: give missing="),
        ('{"missing": 1}', "missing is '1'"),
        ("wide=", "wide lists no name: give wide alone"),
        ('{"ts": ["a", 1]}', "give column of the timestamp"),
        ("ts-format=%H:%M", "needs %Y, %m and %d"),
        ("ts-format=%Y-%m-%d-%m", "each once"),
        ("ts-format=unix-s ts-zone=UTC", "counts in UTC"),
        ("ts-zone=Mars/Base", "'Mars/Base' is unknown"),
        ("encoding=rot13", "'rot13' is unknown"),
        ("delimiter=0", "'0' is not one of"),
        ("decimal=dot", "'dot' is not one of comma, point"),
        ("header=0", "give line of the names of columns"),
        ("header=x", "give line of the names of columns"),
        ("header=1001", "not a line from 1 to 1,000"),
        ("ts='a", "No closing quotation"),
        ('{"ts": 1}', "give column of the timestamp"),
        ('{"ts": "a", "ts": "b"}', "given twice"),
        ('{"a/": {"tz": "x"}}', "names that start with 'a/'"),
        ('{"a/": 1}', "nor has it a mapping"),
        ("{", "not JSON"),
        ("x" * 20_000, "20,000 characters"),
    ],
)
def test_an_invalid_mapping_says_what_is_wrong(text, message):
    with pytest.raises(InvalidMapping) as caught:
        parse(text)
    assert message in str(caught.value)


@dataclass(frozen=True)
class Written:
    """A table of readings in some layout, and the mapping that reads it."""

    header: list[str]
    rows: list[list[str]]
    mapping: Mapping
    plain: list[list[str]]
    """The same as rows of TS, Device, Sensor and Value; cells that are no reading have None."""
    rejected: list[int]
    """The line of each cell that is no reading."""
    above: list[str]
    """Lines above the header."""
    ends: bool
    """Whether a delimiter is at the end of each row."""

    def content(self) -> bytes:
        text, delimiter = io.StringIO(), self.mapping.separator or ","
        text.writelines(f"{line}\n" for line in self.above)
        rows = ([*row, ""] for row in self.rows) if self.ends else self.rows
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([self.header, *rows])
        return text.getvalue().encode(self.mapping.encoding or "utf-8")


def formatted(moment: datetime, mapping: Mapping) -> str:
    """A time as a source with this mapping writes it."""
    seconds = int(moment.timestamp())
    if mapping.ts_format.startswith("unix-"):
        return str(seconds * 1000 ** ["s", "ms", "us", "ns"].index(mapping.ts_format[5:]))
    zone = mapping.ts_zone
    local = moment.astimezone(
        UTC if not zone or zone == "UTC" else ZoneInfo(zone) if "/" in zone else parse_offset(zone)
    )
    forms = {
        "day-first": "%d/%m/%Y %H:%M:%S",
        "month-first": "%m/%d/%Y %I:%M:%S %p",
        "year-first": "%Y/%m/%d %H:%M:%S",
    }
    form = mapping.ts_format if "%" in mapping.ts_format else "%Y-%m-%d %H:%M:%S"
    return local.strftime(forms.get(mapping.ts_format, form))


def has_space(form: str) -> bool:
    return not form.startswith("unix") and " " in formatted(
        datetime(2026, 6, 1, tzinfo=UTC), Mapping(ts_format=form)
    )


def parse_offset(zone: str):
    return datetime.strptime(zone, "%z").tzinfo


@st.composite
def written(draw):
    """Readings in a layout of any kind; some cells are broken or empty."""
    splits = draw(st.booleans())  # the date and the time in two columns
    mapping = Mapping(
        ts=("day", "o'clock") if splits else ("when",),
        device=draw(st.sampled_from(["", "where"])),
        delimiter=draw(st.sampled_from(["", "semicolon", "tab", "bar"])),
        decimal=draw(st.sampled_from(["", "comma", "point"])),
        encoding=draw(st.sampled_from(["", "cp1252", "utf-16", "utf-8"])),
        ts_format=draw(st.sampled_from(["", *(form for form in FORMS if not splits or has_space(form))])),
    )
    if not mapping.ts_format.startswith("unix-") and not mapping.ts_format.endswith("%z"):
        mapping = replace(mapping, ts_zone=draw(st.sampled_from(["", "America/New_York", "+05:30", "UTC"])))
    above = draw(st.sampled_from([[], ["# logger", "", "#;a,b"], ["sep=;"], ["Plant", "", 'a;"b', "#,c"]]))
    header_line = len(above) + 1 if above[:1] == ["Plant"] else 0
    mapping = replace(mapping, device_is="" if mapping.device else "pump ü", header=header_line)
    is_wide = draw(st.booleans())
    sensors = draw(st.lists(st.sampled_from(["a", "b ü", "c,d", 'e"f', "g;h"]), min_size=1, unique=True))
    mapping = replace(mapping, wide=()) if is_wide else replace(mapping, sensor="what", value="much")
    header = [
        *mapping.ts,
        *(["where"] if mapping.device else []),
        *(sensors if is_wide else ["what", "much"]),
    ]
    rows, plain, rejected = [], [], []
    start = datetime(2026, 6, 1, tzinfo=UTC)
    for number in range(draw(st.integers(0, 12))):
        moment = start + timedelta(seconds=draw(st.integers(0, 10**7)))
        ts, valid_ts = formatted(moment, mapping), True
        if draw(st.integers(0, 9)) == 0:
            ts, valid_ts = draw(st.sampled_from(["yesterday ", " ", "32/13/2026 ", " 08:00"])), False
        device = draw(st.sampled_from(["1", "x ü", " 1 "])) if mapping.device else "pump ü"
        cells = []
        for sensor in sensors if is_wide else sensors[:1]:
            value = draw(st.floats(-1e6, 1e6).map(lambda found: repr(round(found, 3))))
            kind = draw(st.sampled_from(["number"] * 6 + ["broken", "empty"]))
            number_text = written_number(float(value), mapping.decimal)
            cells.append({"number": number_text, "broken": "n/a", "empty": ""}[kind])
            if kind == "empty" and is_wide:
                continue
            if kind != "number" or not valid_ts:
                rejected.append(number + 2 + len(above))
            else:
                iso = moment.strftime("%Y-%m-%d %H:%M:%S")
                plain.append([iso, device, sensor, value])
        place = [device] if mapping.device else []
        parts = ts.rsplit(" ", 1) if splits else [ts.strip()]
        rows.append([*parts, *place, *(cells if is_wide else [sensors[0], *cells])])
    return Written(header, rows, mapping, plain, rejected, above, draw(st.booleans()))


def written_number(value: float, decimal: str) -> str:
    """A number as a source writes it that groups digits, where the decimal sign is known."""
    text = f"{value:,}" if decimal else repr(value)
    return text.translate({ord(","): ".", ord("."): ","}) if decimal == "comma" else text


def read(path, content, mapping=PLAIN, block_bytes=4 << 20):
    path.write_bytes(content)
    readings, lines = [], []
    for batch in read_batches(Source("readings", path, mapping=mapping), block_bytes=block_bytes):
        keys = [batch.keys[code] for code in batch.codes]
        texts = (batch.value.to_pylist(), batch.values.tolist(), batch.times.tolist())
        readings += list(zip(keys, *texts, strict=True))
        lines += batch.rejects["line"].to_pylist()
    return readings, lines


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(written(), st.sampled_from([40, 200, 4 << 20]))
def test_a_mapped_file_and_its_plain_equivalent_have_the_same_readings(path, file, block_bytes):
    found, lines = read(path, file.content(), file.mapping, block_bytes)
    text = io.StringIO()
    csv.writer(text).writerows([["TS", "Device", "Sensor", "Value"], *file.plain])
    expected, none = read(path, text.getvalue().encode())
    assert none == []
    assert found == expected
    assert lines == file.rejected


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(written())
def test_a_mapped_parquet_file_has_the_same_readings_as_the_csv(path, file):
    assume(file.rows)
    expected, lines = read(path, file.content(), file.mapping)
    columns = {title: [row[place] or None for row in file.rows] for place, title in enumerate(file.header)}
    pq.write_table(pa.table(columns), path)
    found, rows = read(path, path.read_bytes(), replace(file.mapping, encoding="", delimiter=""))
    assert found == expected
    assert [row + 1 + len(file.above) for row in rows] == lines


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(
    written(), mappings(), st.tuples(st.integers(0, 100), st.binary(max_size=8)), st.sampled_from([7, 4096])
)
def test_any_file_with_any_mapping_is_read_or_refused_in_one_line(path, file, mapping, damage, block_bytes):
    content, (percent, more) = file.content(), damage
    at = len(content) * percent // 100
    content = content[:at] + more + content[at + len(more) :]
    for how in (mapping, file.mapping, replace(file.mapping, encoding="", delimiter="")):
        try:
            for key, _, value, _ in read(path, content, how, block_bytes)[0]:
                assert key.device
                assert np.isfinite(value)
        except ReadingsError as error:
            assert_one_line(error)
        source = Source("readings", path, mapping=how)
        check_headers([source])
        with_sample(source)


def with_sample(source: Source) -> None:
    try:
        read_sample(source)
    except ReadingsError:
        return


def test_a_row_with_a_day_and_no_time_or_a_time_and_no_day_is_rejected(path):
    rows = ("2026-01-01,,1", ",08:00,1", "2026-01-01, ,1", "2026-01-01,25:00,1", "2026-01-01,08:00,1")
    path.write_text("\n".join(["Date,Time,a", *rows]))
    [batch] = read_batches(Source("it", path, mapping=parse("ts=Date,Time wide device-is=1").of("")))
    assert batch.ts.to_pylist() == ["2026-01-01 08:00"]
    assert batch.rejects["reason"].to_pylist() == [
        *["TS is missing"] * 3,
        "TS '2026-01-01 25:00' is not a timestamp",
    ]


def test_dates_and_times_of_parquet_are_one_timestamp_in_local_time(path):
    days, times = [date(2026, 7, 1), None, date(2026, 7, 2)], [time(8, 30), time(8), time(8, 30, 0, 500)]
    table = {"Date": pa.array(days), "Time": pa.array(times), "Device": [1] * 3, "a": [1.5, 2.5, 3.5]}
    pq.write_table(pa.table(table), path)
    mapping = parse("ts=Date,Time wide ts-zone=Europe/Berlin").of("")
    [batch] = read_batches(Source("it", path, mapping=mapping))
    assert batch.ts.to_pylist() == ["2026-07-01 06:30:00", "2026-07-02 06:30:00.000500"]
    assert batch.rejects["reason"].to_pylist() == ["TS is missing"]
    with pytest.raises(ReadingsError, match=r"no column Sensor .*; --mapping .ts=Date,Time wide. reads it"):
        list(read_batches(Source("it", path)))
    pq.write_table(pa.table(table | {"Sensor": ["b"] * 3}).rename_columns({"a": "Value"}), path)
    with pytest.raises(ReadingsError, match=r"found time64\[us\]; --mapping ts=Date,Time reads it"):
        list(read_batches(Source("it", path)))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_one_column_under_two_names_of_ts_is_joined_with_itself_and_not_with_another(path, kind):
    table = pa.table({"Date": ["2026-01-01"], "Device": ["08:00"], "a": ["1.5"]})
    pa_csv.write_csv(table, path) if kind == "csv" else pq.write_table(table, path)
    [batch] = read_batches(Source("it", path, mapping=parse("ts=Date,date wide").of("")))
    assert batch.rejects["reason"].to_pylist() == ["TS '2026-01-01 2026-01-01' is not a timestamp"]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([("unix-s", 1), ("unix-ms", 10**3), ("unix-us", 10**6)]),
    st.lists(
        st.one_of(
            st.floats(-1e9, 9e9),
            st.decimals(0, 4_000_000_000, places=6, allow_nan=False).map(float),
            st.sampled_from([1767225600.1, 1767225600.123456, 0.0, 123456789.0123456]),
        ),
        min_size=1,
    ),
)
def test_unix_times_that_are_floats_are_read_from_their_shortest_text_as_in_csv(path, unit, seconds):
    form, scale = unit
    numbers = [second * scale for second in seconds]
    mapping = parse(f"ts-format={form} wide device-is=1").of("")
    text = "TS,a\n" + "".join(f"{Decimal(repr(number)):f},1\n" for number in numbers)
    expected = read(path, text.encode(), mapping)
    pq.write_table(pa.table({"TS": numbers, "a": ["1"] * len(numbers)}), path)
    readings, rows = read(path, path.read_bytes(), mapping)
    assert (readings, [row + 1 for row in rows]) == expected


def test_a_unix_time_that_is_a_float_keeps_the_digits_that_were_written(path):
    pq.write_table(pa.table({"TS": [1767225600.1, 1767225600.123456, None], "a": [1, 2, 3]}), path)
    mapping = parse("ts-format=unix-s wide device-is=1").of("")
    [batch] = read_batches(Source("it", path, mapping=mapping))
    assert batch.ts.to_pylist() == ["2026-01-01 00:00:00.100", "2026-01-01 00:00:00.123456"]
    assert batch.rejects["reason"].to_pylist() == ["TS is missing"]


@given(
    st.sampled_from([pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]),
    st.lists(st.times(), min_size=1),
)
def test_a_time_of_parquet_has_the_digits_that_a_timestamp_would_have(path, kind, times):
    moments = pa.array([datetime.combine(date(2026, 7, 1), each) for each in times], pa.timestamp("us"))
    exact = moments.cast(pa.timestamp(kind.unit), safe=False)
    day, ones = pa.array([date(2026, 7, 1)] * len(times)), pa.array(["1"] * len(times))
    pq.write_table(pa.table({"TS": exact, "a": ones}), path)
    [whole] = read_batches(Source("it", path, mapping=parse("wide device-is=1").of("")))
    pq.write_table(pa.table({"Date": day, "Time": exact.cast(kind), "a": ones}), path)
    [parts] = read_batches(Source("it", path, mapping=parse("ts=Date,Time wide device-is=1").of("")))
    assert as_texts(parts.ts).to_pylist() == as_texts(whole.ts).to_pylist()
    assert parts.times.tolist() == whole.times.tolist()


def test_a_sample_of_parquet_has_each_column_under_its_own_title(path):
    columns = [pa.array([text]) for text in ("x", "y", "2026-01-01", "1.5")]
    pq.write_table(pa.Table.from_arrays(columns, ["note", "note", "when", "a"]), path)
    sample = read_sample(Source("it", path))
    assert [sample.column(place) for place in range(4)] == [[], [], ["2026-01-01"], ["1.5"]]


def test_a_timestamp_of_parquet_is_not_part_of_another(path):
    moments = pa.array([0], pa.timestamp("s"))
    pq.write_table(pa.table({"Date": moments, "Time": ["08:00"], "Device": [1], "a": [1.5]}), path)
    with pytest.raises(ReadingsError, match="expected column Date to be text, a date, a time or a"):
        list(read_batches(Source("it", path, mapping=parse("ts=Date,Time wide").of(""))))


def test_a_timestamp_can_be_in_more_than_two_columns(path):
    path.write_text("year,month,day,hour,a\n2026,7,1,8,1.5\n")
    mapping = parse("ts=year,month,day,hour ts-format='%Y %m %d %H' wide=a device-is=1").of("")
    [batch] = read_batches(Source("it", path, mapping=mapping))
    assert batch.ts.to_pylist() == ["2026-07-01 08:00:00"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "Time,a\n1767225600000,1.5 °C\n",
            "column 'a' holds '1.5 °C', not a number (a unit after the number?)",
        ),
        ("Time,a\nMonday,1.5\n", "column 'Time' holds 'Monday', a timestamp in no known format: describe it"),
        ("x,a\n1,1.5\n", "no column holds timestamps"),
        ("Time,Time,a\n2026-01-01,08:00,1.5\n", "2 columns Time (TS) in 'Time,Time,a'"),
        (
            "# TS,Device,Sensor,Value\n2026-01-01,1,2,3\n",
            "no header? write the names of the columns above it",
        ),
    ],
)
def test_a_file_that_no_mapping_reads_is_refused_with_what_is_in_the_way(path, content, reason):
    path.write_text(content)
    with pytest.raises(ReadingsError) as caught:
        list(read_batches(Source("it", path)))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "above", ["sep=;\r\n", "SEP=;\n", "# a\n#\n\n", "\n\n# a\n", "\ufeff# a\n", "\ufeffsep=;\n"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_comments_and_the_first_line_of_excel_are_no_header_and_keep_their_place(path, above, encoding):
    text = f"{above}TS;Device;Sensor;Value\n2026-01-01;1;1;2\nx;1;1;2\n"
    readings, lines = read(path, text.encode(encoding))
    assert (len(readings), lines) == (1, [len(above.splitlines()) + 3])


@pytest.mark.parametrize(
    ("change", "form"),
    [
        ("2026-03-29 02:30:00", ""),
        ("2026-10-25 02:30:00", ""),
        ("2026-10-25 02:30", "ts-format=year-first"),
        ("2026-03-29 02:30", "'ts-format=%Y-%m-%d %H:%M'"),
    ],
)
def test_a_local_time_that_a_zone_has_twice_or_not_at_all_is_rejected_for_that_reason(path, change, form):
    good = "2026-07-01 00:00" if form else "2026-07-01"
    path.write_text(f"TS,Device,Sensor,Value\n{change},1,1,1\n{good},1,1,1\n2026-07-01Z,1,1,1\n")
    mapping = parse(f"ts-zone=Europe/Berlin {form}").of("")
    (batch,) = read_batches(Source("it", path, mapping=mapping))
    assert batch.ts.to_pylist() == ["2026-06-30 22:00:00"]
    first, second = batch.rejects.to_pylist()
    twice = f"TS '{change}' is a local time that Europe/Berlin has twice or not at all, because clocks change"
    assert (first["reason"], first["kind"]) == (twice, "timestamp")
    assert second["line"] == 4
    assert second["reason"].startswith("TS '2026-07-01Z' is not a timestamp by ")


def test_in_a_wide_file_each_cell_of_an_uncertain_local_time_has_that_reason(path):
    path.write_text("TS,a,b\n2026-10-25 02:30:00,1,2\nx,1,2\n2026-10-25 03:30:00,1,2\n")
    mapping = parse("ts-zone=Europe/Berlin device-is=1 wide").of("")
    (batch,) = read_batches(Source("it", path, mapping=mapping))
    uncertain = ["has twice or not at all" in reason for reason in batch.rejects["reason"].to_pylist()]
    assert (len(batch.codes), uncertain) == (2, [True, True, False, False])


def test_a_decimal_point_in_a_file_of_decimal_commas_is_rejected_because_it_can_group_digits(path):
    path.write_text('TS;Device;Sensor;Value\n2026-07-01;1;1;1.234\n2026-07-01;1;1;"1.234,5"\n')
    (batch,) = read_batches(Source("it", path, mapping=parse("decimal=comma").of("")))
    assert batch.value.to_pylist() == ["1234.5"]
    assert batch.rejects["reason"].to_pylist() == ["Value '1.234' is not a number with a decimal comma"]


def test_timestamps_of_parquet_keep_their_zone(path):
    moments = pa.array([0, 1_000], pa.timestamp("ms", "Europe/Berlin"))
    pq.write_table(pa.table({"TS": moments, "Device": [1, 1], "Sensor": [1, 1], "Value": [1, 2]}), path)
    (batch,) = read_batches(Source("it", path, mapping=parse("ts-zone=America/New_York").of("")))
    assert batch.times.tolist() == [0, 10**9]


def test_a_row_of_units_under_the_header_is_rejected_and_hides_no_format(path):
    path.write_text("Time,Temp\ndd.mm.yyyy,°C\n13.01.2026 08:00,1.5\n14.01.2026 08:00,1.6\n")
    with pytest.raises(ReadingsError, match=r"ts-format=day-first device-from=file wide. reads it"):
        list(read_batches(Source("it", path)))
    mapping = parse("ts-format=day-first device-from=file wide").of("")
    [batch] = read_batches(Source("it", path, mapping=mapping))
    assert (len(batch.codes), batch.rejects["line"].to_pylist()) == (2, [2])


@pytest.mark.parametrize("cell", ["1.5", "n 1"])
def test_a_file_of_thousands_of_columns_is_refused_soon(path, cell):
    path.write_text(f"x{',s1' * 9_000}\n" + f"x{f',{cell}' * 9_000}\n" * 5)
    start = monotonic()
    with pytest.raises(ReadingsError, match="no column holds timestamps"):
        list(read_batches(Source("it", path)))
    assert monotonic() - start < 60, "it took minutes when each column was searched in each format"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    "wide",
    ["wide", f"wide={','.join(f'C{number}' for number in range(2_500))}"],
    ids=["all", "listed"],
)
def test_a_wide_file_of_thousands_of_columns_is_read_soon(path, kind, wide):
    columns = {f"c{number}": [1.5, 2.5] for number in range(9_000)}
    table = pa.table({"TS": ["2026-01-01", "2026-01-02"], **columns})
    pa_csv.write_csv(table, path) if kind == "csv" else pq.write_table(table, path)
    start = monotonic()
    [batch] = read_batches(Source("it", path, mapping=parse(f"device-is=q {wide}").of("")))
    assert len(batch.codes) == 2 * (9_000 if wide == "wide" else 2_500)
    assert monotonic() - start < 30, "it took a minute when the names were listed again for each column"


def test_a_wide_file_of_many_columns_is_cut_into_blocks_of_few_lines(path):
    names = [f"s{number}" for number in range(5_000)]
    row = ",".join(["x"] * len(names))
    path.write_text(f"TS,Device,{','.join(names)}\n" + f"2026-01-01,1,{row}\n" * 60)
    source = Source("it", path, mapping=parse("wide").of(""))
    sizes = [batch.rejects.num_rows for batch in read_batches(source)]
    assert sum(sizes) == 60 * 5_000
    assert max(sizes) <= 1 << 17


def test_predictions_of_a_mapped_file_are_those_of_its_plain_equivalent(tmp_path: Path):
    rng = np.random.default_rng(1)
    values = rng.normal(20, 1, (120, 2)).round(3)
    start = datetime(2026, 7, 1, tzinfo=UTC)
    moments = [start + timedelta(minutes=number) for number in range(len(values))]
    plain, mapped = tmp_path / "plain.csv", tmp_path / "pump.csv"
    plain.write_text(
        "TS,Device,Sensor,Value\n"
        + "".join(
            f"{moment:%Y-%m-%d %H:%M:%S},pump,{sensor},{value}\n"
            for moment, row in zip(moments, values, strict=True)
            for sensor, value in zip("ab", row, strict=True)
        )
    )
    local = [moment + timedelta(hours=2) for moment in moments]
    lines = (
        f"{moment:%d.%m.%Y %H:%M};{str(a).replace('.', ',')};{str(b).replace('.', ',')}\n"
        for moment, (a, b) in zip(local, values, strict=True)
    )
    mapped.write_text("Zeit;a;b\n" + "".join(lines), "utf-16")
    mapping = "ts=Zeit wide device-from=file decimal=comma ts-format=day-first ts-zone=Europe/Berlin"
    assert scoring("train", "--data", plain, "--models", tmp_path / "m1").code == 0
    assert scoring("train", "--data", mapped, "--models", tmp_path / "m2", "--mapping", mapping).code == 0
    document = tmp_path / "mapping.json"
    document.write_text(json.dumps({"pump": mapping}))
    assert scoring("score", "--data", plain, "--models", tmp_path / "m1", "--out", tmp_path / "p1").code == 0
    command = ("score", "--data", mapped, "--models", tmp_path / "m2", "--out", tmp_path / "p2")
    assert scoring(*command, "--mapping", document).code == 0
    for name in ("model_pump_a.skops", "model_pump_b.skops"):
        assert (tmp_path / "m1" / name).read_bytes() == (tmp_path / "m2" / name).read_bytes()
    for name in ("preds_pump_a.csv", "preds_pump_b.csv", "summary.csv"):
        assert (tmp_path / "p1" / name).read_bytes() == (tmp_path / "p2" / name).read_bytes()


@pytest.mark.parametrize(
    ("name", "header", "mapping", "message"),
    [
        ("device=1/device=2/a.csv", "TS,Sensor,Value", "", "no column Device"),
        ("a.csv", "TS,Device,a,a", "wide", "several columns named 'a'"),
        ("a.csv", "TS,Device", "wide", "no column of a sensor"),
        ("a.csv", "TS,a", "wide device-from=folder", "no folder that names the Device"),
        ("a.csv", "TS,Device,a", "wide=b", "no column b (Value)"),
        ("a.csv", "TS;Device;a", "wide=b", "no column b (Value) in 'TS,Device,a'"),
        ("a.csv", "when,Device,Sensor,Value", "ts=wann", "no column wann (TS)"),
        ("a.csv", "When,WHEN,Device,Sensor,Value", "ts=when", "2 columns when (TS)"),
    ],
)
def test_columns_that_are_missing_or_ambiguous_are_refused(path, name, header, mapping, message):
    path.write_text(f"{header}\n2026-01-01,1,1,1\n")
    with pytest.raises(ReadingsError) as caught:
        list(read_batches(Source(name, path, mapping=parse(mapping).of(name))))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "an Excel workbook: save it as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook of an old format"),
        (b"Obj\x01\x04\x16avro.schema", "an Avro file: convert it"),
        (b'{"EnqueuedTimeUtc": "2026-01-01"}', "JSON: convert it"),
        (b'[{"a": 1}]', "JSON: convert it"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"LabVIEW Measurement\t\nWriter_Version\t2", "whose times count from its start"),
        (b"\x28\xb5\x2f\xfd\x00", "a zstd file: unpack it"),
        (b"\x80\x05\x95", "a pickle: save the DataFrame as Parquet"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(path, start, words):
    path.write_bytes(start + b"\n1,2\n")
    with pytest.raises(ReadingsError, match=words):
        list(read_batches(Source("it", path)))


@pytest.mark.parametrize(
    ("content", "mapping"),
    [
        ("timestamp,value\n2014-02-14 14:30:00,0.132\n", '"device-from=file wide"'),
        ("when;Device;Sensor;Value\n13.01.2026;1;2;1,5\n", '"ts=when ts-format=day-first decimal=comma"'),
        ("Date;Time;Value\n13.02.2026;8:00;1\n", '"ts=Date,Time ts-format=day-first device-from=file wide"'),
        ("Time,Date,a\n8:00 PM,02/13/2026,1\n", '"ts=Date,Time ts-format=month-first device-from=file wide"'),
        ("Plant 7\n\nTS,Device,Sensor,Value\n2026-01-01,1,2,3\n", "header=3"),
        ('TS,Device,a\n2026-01-01,1,"1,234.5"\n', '"wide decimal=point"'),
        (
            "Tag,Timestamp,Value\nT1,13-Jan-26 08:00:00.5,3\n",
            '"ts-format=day-first device-from=file sensor=Tag"',
        ),
        ('t_stamp,a\n"Jan 13, 2026 8:00 AM",3\n', '"ts=t_stamp ts-format=month-first device-from=file wide"'),
        ("TS|Device|Sensor|Value\n2026-01-01|1|2|3\n", "delimiter=bar"),
        ("ts,host,metric,avg\n1767225600,1,2,3\n", '"ts-format=unix-s device=host sensor=metric value=avg"'),
    ],
)
def test_a_header_that_is_refused_comes_with_the_option_that_reads_it(path, content, mapping):
    path.write_text(content)
    with pytest.raises(ReadingsError) as caught:
        list(read_batches(Source("it", path)))
    assert f"; --mapping {mapping} reads it (docs/formats.md)" in str(caught.value)
    words = parse(mapping.strip('"')).of("")
    [batch] = read_batches(Source("it", path, mapping=words))
    assert (len(batch.codes), batch.rejects.num_rows) == (1, 0)


@pytest.mark.parametrize("number", [1234.5, 2.0, 1.5e300, -0.125])
def test_a_number_of_parquet_is_one_beside_texts_with_a_decimal_comma(tmp_path, number):
    path = tmp_path / "a.parquet"
    columns = {"TS": ["2026-01-01 00:00:00"], "Number": [number], "Text": ["1.234,5"]}
    pq.write_table(pa.table(columns), path)
    source = Source("a", path, mapping=parse("wide device-is=1 decimal=comma").of(""))
    values = [float(value) for batch in read_batches(source) for value in batch.values]
    assert sorted(values) == sorted([number, 1234.5])
