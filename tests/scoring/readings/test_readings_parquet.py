import datetime as dt
import decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scoring.errors import ReadingsError
from scoring.keys import SensorKey
from scoring.readings.files import FileLimits, Source, check_headers, read_batches
from scoring.readings.rows import as_texts, concatenate

TS = ["2018-08-28 23:00:05", "2018-08-28 23:00:10.250"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "readings"


def write(path, **columns):
    defaults = {"TS": pa.array(TS), "Device": pa.array(["1", "1"]), "Sensor": pa.array(["3", "4"])}
    columns = {**defaults, "Value": pa.array([10.16, -1.0]), **columns}
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), path)
    return path


def rows(path):
    """The readings as texts and numbers, and the rejects as (line, reason)."""
    readings: list[tuple[str, SensorKey, str, float]] = []
    rejects: list[tuple[int, str]] = []
    for batch in read_batches(Source("it", path)):
        keys = [batch.keys[code] for code in batch.codes]
        readings += zip(
            as_texts(batch.ts).to_pylist(),
            keys,
            as_texts(batch.value).to_pylist(),
            batch.values.tolist(),
            strict=True,
        )
        rejects += [(reject["line"], reject["reason"]) for reject in batch.rejects.to_pylist()]
    return readings, rejects


def test_the_format_is_detected_by_first_bytes_and_columns_by_name(path):
    write(path, extra=pa.array([1, 2]))
    assert rows(path) == (
        [(TS[0], SensorKey("1", "3"), "10.16", 10.16), (TS[1], SensorKey("1", "4"), "-1", -1.0)],
        [],
    )


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.int64()),
        pa.int8(),
        pa.uint64(),
        pa.int64(),
        pa.float16(),
        pa.float32(),
        pa.float64(),
        pa.decimal32(4, 0),
        pa.decimal128(10, 0),
        pa.decimal128(10, 3),
        pa.decimal256(60, 20),
    ],
    ids=str,
)
def test_device_and_sensor_can_be_text_or_numbers_and_are_read_the_same(path, kind):
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    column = pa.array(np.array([12, 3]), pa.int64()) if numeric else pa.array(["12", "3"])
    if kind == pa.dictionary(pa.int8(), pa.int64()):
        column = pa.array([12, 3]).dictionary_encode()
    elif pa.types.is_decimal(kind):
        column = pa.array([decimal.Decimal(12), decimal.Decimal(3)], kind)
    else:
        column = column.cast(kind)
    write(path, Device=column, Sensor=column)
    readings, rejects = rows(path)
    assert [key for _, key, _, _ in readings] == [SensorKey("12", "12"), SensorKey("3", "3")]
    assert rejects == []


def test_a_device_that_is_a_fraction_keeps_its_digits(path):
    write(path, Device=pa.array([1.5, -2.0]))
    assert [key.device for _, key, _, _ in rows(path)[0]] == ["1.5", "-2"]


@pytest.mark.parametrize(
    ("scale", "texts", "expected"),
    [
        (0, ["100", "-7"], ["100", "-7"]),
        (2, ["1.50", "-0.01"], ["1.5", "-0.01"]),
        (2, ["100.00", "0.00"], ["100", "0"]),
        (10, ["0", "20.0000000001"], ["0", "20.0000000001"]),
    ],
)
def test_a_decimal_device_has_no_trailing_zeros(path, scale, texts, expected):
    device = pa.array([decimal.Decimal(text) for text in texts], pa.decimal128(20, scale))
    write(path, Device=device)
    assert [key.device for _, key, _, _ in rows(path)[0]] == expected


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "+05:30"])
def test_a_timestamp_is_read_in_utc_with_the_digits_it_needs(path, unit, zone):
    fractions = {"s": [0], "ms": [0, 250], "us": [0, 250_000, 1], "ns": [0, 250_000_000, 1_000, 1]}[unit]
    ticks = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    column = pa.array([1_535_497_205 * ticks + f for f in fractions], pa.int64()).cast(
        pa.timestamp(unit, zone)
    )
    ones = pa.array(["1"] * len(fractions))
    write(path, TS=column, Device=ones, Sensor=ones, Value=ones)
    expected = ["2018-08-28 23:00:05", "2018-08-28 23:00:05.250"]
    expected += {"us": [".000001"], "ns": [".000001", ".000000001"]}.get(unit, [])
    expected[2:] = [f"2018-08-28 23:00:05{fraction}" for fraction in expected[2:]]
    assert [ts for ts, *_ in rows(path)[0]] == expected[: len(fractions)]


def test_a_date_is_a_timestamp_too(path):
    for kind in (pa.date32(), pa.date64()):
        write(path, TS=pa.array([dt.date(2018, 8, 28), dt.date(1969, 12, 31)], kind))
        assert [ts for ts, *_ in rows(path)[0]] == ["2018-08-28 00:00:00", "1969-12-31 00:00:00"]


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([1, -3], pa.int16()), ["1", "-3"]),
        (pa.array([2**63, 2**64 - 1], pa.uint64()), ["9223372036854775808", "18446744073709551615"]),
        (pa.array([1e300, 5e-324]), ["1e+300", "5e-324"]),
        (pa.array([0.1, 1.0], pa.float32()), ["0.10000000149011612", "1"]),
        (pa.array([decimal.Decimal("1.50"), decimal.Decimal("-0.01")]), ["1.50", "-0.01"]),
        (pa.array([" +1.50", "1e3"]), [" +1.50", "1e3"]),
        (pa.array(["1.5", "1.5"]).dictionary_encode(), ["1.5", "1.5"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_value_can_be_any_number_or_text(path, column, texts):
    write(path, Value=column)
    readings, rejects = rows(path)
    assert [text for _, _, text, _ in readings] == texts
    assert [value for *_, value in readings] == [float(text) for text in texts]
    assert rejects == []


def test_nulls_and_infinite_values_are_rejects_with_their_row_number(path):
    nothing = pa.array([None, *"1111"])
    write(
        path,
        TS=pa.array([TS[0], None, *TS, "x"]),
        Device=nothing,
        Sensor=pa.array([1.0, 1.0, None, float("nan"), 1.0]),
        Value=pa.array([1.0, 1.0, None, 2.0, float("inf")]),
    )
    assert rows(path) == (
        [],
        [
            (1, "Device is empty"),
            (2, "TS is missing"),
            (3, "Sensor is empty"),
            (4, "Sensor is empty"),
            (5, "TS 'x' is not a timestamp"),
        ],
    )
    write(path, Value=pa.array([None, float("nan")], pa.float64()))
    assert rows(path)[1] == [(1, "Value is missing"), (2, "Value 'nan' is not finite")]


def test_a_column_of_nulls_only_has_only_rejects(path):
    write(path, Value=pa.nulls(2))
    assert rows(path)[1] == [(1, "Value is missing"), (2, "Value is missing")]


def test_row_numbers_continue_over_batches_and_texts_show_the_row(path):
    count = 150_000
    values = pa.array([None if n in {0, 70_000, 149_999} else 1.5 for n in range(count)])
    ones = pa.array(["1"] * count)
    write(path, TS=pa.array([TS[0]] * count), Device=ones, Sensor=ones, Value=values)
    batches = list(read_batches(Source("it", path)))
    rejects = [reject for batch in batches for reject in batch.rejects.to_pylist()]
    assert [reject["line"] for reject in rejects] == [1, 70_001, 150_000]
    assert {reject["text"] for reject in rejects} == {f"{TS[0]},1,1,"}
    assert sum(len(batch.values) for batch in batches) == count - 3


def test_timestamps_out_of_range_are_rejects(path):
    write(path, TS=pa.array([2**62, -(2**62)], pa.timestamp("ms")))
    assert [line for line, _ in rows(path)[1]] == [1, 2]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"Value": None},
            "TS, Device, Sensor, Value, found no column Value in 'TS,Device,Sensor'",
        ),
        ({"TS": pa.array([1, 2])}, "expected column TS to be text or a timestamp, found int64"),
        ({"Value": pa.array([True, False])}, "expected column Value to be a number, found bool"),
        ({"Value": pa.array([[1.0], [2.0]])}, "expected column Value to be a number, found list"),
        ({"Device": pa.array([{"id": 1}, {"id": 2}])}, "expected column Device to be text or a number"),
    ],
)
def test_a_file_of_other_columns_is_refused_with_what_was_expected_and_found(path, columns, message):
    write(path, **columns)
    with pytest.raises(ReadingsError) as caught:
        rows(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith("it: ")
    _, (unreadable,) = check_headers([Source("it", path)])
    assert unreadable.reason == str(caught.value)


def test_a_duplicate_column_is_refused(path):
    table = pa.table(
        [TS, ["1", "1"], ["1", "1"], [1.0, 2.0], [1.0, 2.0]], ["TS", "Device", "Sensor", "Value", "Value"]
    )
    pq.write_table(table, path)
    with pytest.raises(ReadingsError, match="found 2 columns Value"):
        rows(path)


def test_a_long_text_in_every_row_does_not_fill_the_memory(path):
    count = 1 << 12
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), ["x" * (1 << 20)])
    ones = pa.array(["1"] * count)
    for name in ("TS", "Device", "Value"):
        write(
            path,
            **{"TS": pa.array([TS[0]] * count), "Device": ones, "Sensor": ones, "Value": ones, name: column},
        )
        assert path.stat().st_size < 1 << 20
        default = pa.default_memory_pool()
        pool = pa.proxy_memory_pool(default)  # its peak is that of this file, not of any before it
        pa.set_memory_pool(pool)
        try:
            assert len(rows(path)[1]) == count
        finally:
            pa.set_memory_pool(default)
        assert 0 < pool.max_memory() < 600 << 20


def test_a_file_that_declares_more_than_the_limit_is_refused(path):
    table = pa.table(
        {"TS": ["2018-08-28"] * 9999, "Device": [1] * 9999, "Sensor": [1] * 9999, "Value": [1.5] * 9999}
    )
    pq.write_table(table, path, use_dictionary=False, compression="zstd")
    groups = pq.ParquetFile(path).metadata
    unpacked = sum(groups.row_group(number).total_byte_size for number in range(groups.num_row_groups))
    assert path.stat().st_size < unpacked / 10
    read = read_batches(Source("it", path, FileLimits(unpacked_bytes=unpacked)))
    assert sum(len(batch.values) for batch in read) == 9999
    with pytest.raises(ReadingsError, match=f"it: it unpacks to more than {unpacked - 1:,} bytes"):
        list(read_batches(Source("it", path, FileLimits(unpacked_bytes=unpacked - 1))))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(path, share):
    content = write(path).read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ReadingsError, match="it: expected a Parquet file"):
        rows(path)


def test_a_file_with_any_bytes_overwritten_is_read_or_refused_in_one_line(tmp_path):
    path = tmp_path / "readings"
    content = write(path, TS=pa.array(TS).dictionary_encode(), Value=pa.array(["1", "é"])).read_bytes()

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(4, len(content) - 1), st.binary(min_size=1, max_size=3)), max_size=4)
    )
    @example([(201, b"\xdc")])  # rows refer to texts that are not there
    def check(changes):
        mangled = bytearray(content)
        for at, noise in changes:
            mangled[at : at + len(noise)] = noise
        path.write_bytes(mangled)
        try:
            rows(path)
        except ReadingsError as error:
            assert str(error).startswith("it: ")  # noqa: PT017 - some are refused, some are not
            assert "\n" not in str(error)  # noqa: PT017

    check()


UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FLOATS = (pa.float16(), pa.float32(), pa.float64())
INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())


@st.composite
def moments(draw, size):
    """A column TS: dates, or timestamps of any unit and zone, some near the first and last year."""
    unit = draw(st.sampled_from([*UNITS, "day"]))
    if unit == "day":
        days = st.one_of(st.integers(-(2**31), 2**31 - 1), st.integers(-110_000, 110_000))
        return pa.array(draw(st.lists(days, min_size=size, max_size=size)), pa.int32()).cast(pa.date32())
    second = UNITS[unit]
    most = (2**63 - 1) // (1000 if unit == "s" else 1)  # Parquet stores seconds as milliseconds
    ends = [-9_214_560_000 * second, 9_214_646_400 * second]
    near = [st.integers(end - second, end + second) for end in ends]
    common = st.integers(0, 2_000_000_000).map(lambda seconds: seconds * second)
    ticks = st.one_of(common, st.integers(-most, most), *near)
    zone = draw(st.sampled_from([None, "UTC", "Europe/Berlin", "+05:30"]))
    column = pa.array(draw(st.lists(ticks, min_size=size, max_size=size)), pa.int64())
    return column.view(pa.timestamp(unit, zone))


@st.composite
def amounts(draw, size):
    """A column Value: numbers of any type, or a dictionary of them."""
    any_number: st.SearchStrategy[object]
    kind = draw(st.sampled_from([*FLOATS, *INTEGERS, pa.decimal128(20, 3)]))
    if pa.types.is_floating(kind):
        any_number = st.floats(width=kind.bit_width)
    elif pa.types.is_integer(kind):
        low = 0 if str(kind).startswith("u") else -(2 ** (kind.bit_width - 1))
        any_number = st.integers(low, low + 2**kind.bit_width - 1)
    else:
        any_number = st.decimals(-(10**16), 10**16, places=3)
    numbers = draw(st.lists(any_number, min_size=size, max_size=size))
    column = pa.array(numbers, kind) if kind != pa.float16() else pa.array(np.array(numbers, np.float16))
    encodable = not pa.types.is_decimal(kind) and kind != pa.float16()
    return column.dictionary_encode() if encodable and draw(st.booleans()) else column


def batch_of(path):
    return concatenate(list(read_batches(Source("it", path))))


def contents(batch):
    readings = (as_texts(batch.ts), as_texts(batch.value), batch.values, batch.times)
    return (
        [batch.keys[code] for code in batch.codes],
        *(column.tolist() for column in readings),
        [reject for reject in batch.rejects.to_pylist() if reject["sensor"] != "the last row"],
        batch.rejected_on,
    )


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_timestamps_and_numbers_are_read_as_their_texts_are(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("readings")
    size = data.draw(st.integers(1, 6))
    ts, value = data.draw(moments(size)), data.draw(amounts(size))
    ones = pa.array(["1"] * size)
    native = batch_of(write(folder / "native", TS=ts, Device=ones, Sensor=ones, Value=value))
    # A null is an empty text, so a column that has one is read as texts: here of a row that is a reject.
    more = {"TS": ts, "Device": ones, "Sensor": ones, "Value": value}
    last = [pa.nulls(1, ts.type), pa.array(["1"]), pa.array(["the last row"]), pa.nulls(1, value.type)]
    table = pa.concat_tables([pa.table(more), pa.table(last, list(more))])
    pq.write_table(table, folder / "texts")
    texts = batch_of(folder / "texts")
    assert texts.rejects.num_rows == native.rejects.num_rows + 1
    assert contents(native) == contents(texts)
    rows = zip(as_texts(native.ts).to_pylist(), as_texts(native.value).to_pylist(), strict=True)
    lines = ["TS,Device,Sensor,Value", *(f"{ts},1,1,{value}" for ts, value in rows)]
    (folder / "csv").write_text("\n".join(lines) + "\n")
    csv = batch_of(folder / "csv")
    assert csv.rejects.num_rows == 0
    assert contents(csv)[:5] == contents(native)[:5]


def test_batches_of_files_with_other_types_become_one(tmp_path):
    native = batch_of(write(tmp_path / "a", TS=pa.array([5, 1500], pa.timestamp("ms", "UTC"))))
    texts = batch_of(write(tmp_path / "b"))
    both = concatenate([native, texts])
    assert as_texts(both.ts).to_pylist() == ["1970-01-01 00:00:00.005", "1970-01-01 00:00:01.500", *TS]
    assert as_texts(both.value).to_pylist() == ["10.16", "-1", "10.16", "-1"]


FEW = st.sampled_from(["1", "2", "1.0", "", "é"])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.none() | st.integers(0, 10**10), FEW, FEW, st.none() | st.floats()), min_size=1),
    st.integers(1, 7),
)
def test_small_row_groups_are_read_together_as_one_large_is(tmp_path_factory, readings, size):
    folder = tmp_path_factory.mktemp("readings")
    types = {"TS": pa.timestamp("ms"), "Device": pa.string(), "Sensor": pa.string(), "Value": pa.float64()}
    columns = zip(types.items(), zip(*readings, strict=True), strict=True)
    table = pa.table({name: pa.array(column, kind) for (name, kind), column in columns})
    pq.write_table(table, folder / "small", row_group_size=size)
    pq.write_table(table, folder / "large")
    (small,) = read_batches(Source("it", folder / "small"))
    (large,) = read_batches(Source("it", folder / "large"))
    assert contents(small) == contents(large)


def test_row_groups_are_read_together_up_to_as_many_rows_as_a_block_has(path):
    count = 300_000
    ones = pa.array(["1"] * count)
    ts = pa.array(np.arange(count), pa.timestamp("s"))
    table = pa.table({"TS": ts, "Device": ones, "Sensor": ones, "Value": np.arange(count) / 4})
    pq.write_table(table, path, row_group_size=40_000)
    batches = list(read_batches(Source("it", path)))
    assert [len(batch.values) for batch in batches] == [131_072, 131_072, 37_856]
    assert np.concatenate([batch.values for batch in batches]).tolist() == (np.arange(count) / 4).tolist()
