import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from scoring import arrow
from scoring.arrow import (
    cast,
    encode,
    from_numpy,
    join,
    matches,
    strings,
    take,
    text_offsets,
    to_bytes,
    to_numpy,
    trim,
)
from scoring.tools.tables import table_writer


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.int64, np.float64])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100])
def test_numbers_go_to_arrow_and_back_also_from_the_middle_of_a_column(dtype, count):
    values = (np.arange(count) % 3).astype(dtype)
    column = from_numpy(values)
    column.validate(full=True)
    assert column.to_pylist() == values.tolist()
    assert to_numpy(column).tolist() == values.tolist()
    assert to_numpy(column[2:5]).tolist() == values[2:5].tolist()


def test_texts_of_all_kinds_become_a_column():
    texts = ["", "a", "é😀", "", "b" * 1000]
    column = strings(texts)
    column.validate(full=True)
    assert column.to_pylist() == texts
    assert to_bytes(column[1:]) == [text.encode() for text in texts[1:]]
    assert strings([]).to_pylist() == []


def test_rows_are_taken_by_index_and_by_mask():
    column = strings(["a", "b", "c"])
    assert take(column, np.array([2, 0])).to_pylist() == ["c", "a"]
    assert take(column, np.array([True, False, True])).to_pylist() == ["a", "c"]


@pytest.mark.parametrize("name", ["readings.csv", "readings.parquet"])
def test_a_short_step_imports_neither_pandas_nor_the_wrappers_of_compute(tmp_path, name):
    columns = {
        "TS": ["2018-08-28", "bad", None],
        "Device": [1, 1, None],
        "Sensor": [3.0, 3.0, None],
        "Value": [10.16, 1.5, None],
    }
    with table_writer(tmp_path / name, (table := pa.table(columns)).schema) as write:
        write(table)
    script = (
        "import sys; from pathlib import Path; from scoring.readings.files import Source, read_batches;"
        f"b, = read_batches(Source('it', Path({str(tmp_path / name)!r})));"
        "assert (len(b.values), b.rejects.num_rows) == (1, 2);"
        "print(*(name in sys.modules for name in ('pandas', 'pyarrow.compute', 'pyarrow.parquet')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 3, "each of them costs more than reading a file"


def test_numpy_types_without_an_arrow_type_are_refused():
    with pytest.raises(KeyError):
        from_numpy(np.zeros(1, np.complex128))
    assert pa.types.is_string(strings([]).type)


SOME_TEXTS = pa.array(["", " 1.5\t", "1e3", "\t\t", " é ", "x 2", "2018-08-28"])


def test_each_function_gives_what_the_public_function_of_pyarrow_gives():
    numbers = np.array([1.5, 2.0, 1e300])
    assert from_numpy(numbers).equals(pa.array(numbers))
    assert to_numpy(pa.array(numbers)).tolist() == pa.array(numbers).to_numpy().tolist()
    assert strings(SOME_TEXTS.to_pylist()).equals(SOME_TEXTS)
    assert cast(from_numpy(numbers), pa.string()).equals(pc.cast(pa.array(numbers), pa.string()))
    assert take(SOME_TEXTS, np.array([2, 0])).equals(pc.take(SOME_TEXTS, pa.array([2, 0])))
    assert trim(SOME_TEXTS).equals(pc.ascii_trim(SOME_TEXTS, " \t"))
    assert encode(SOME_TEXTS).equals(pc.dictionary_encode(SOME_TEXTS))
    joined = pc.binary_join_element_wise(SOME_TEXTS, SOME_TEXTS, " ")
    assert join([SOME_TEXTS, SOME_TEXTS], " ").equals(joined)
    pattern = r"\A[0-9.e]+\z"
    assert matches(SOME_TEXTS, pattern).tolist() == pc.match_substring_regex(SOME_TEXTS, pattern).to_pylist()
    lengths = pc.binary_length(SOME_TEXTS).to_pylist()
    assert text_offsets(SOME_TEXTS, np.arange(8)).tolist() == np.cumsum([0, *lengths]).tolist()
    with pytest.raises(pa.ArrowInvalid):
        cast(SOME_TEXTS, pa.float64())
    cut = pc.cast(pa.array(numbers[:2]), pa.int64(), safe=False)
    assert cast(from_numpy(numbers[:2]), pa.int64(), safe=False).equals(cut)


def test_no_other_module_uses_private_parts_of_pyarrow():
    scoring = Path(arrow.__file__).parent
    private = re.compile(r"(from|import) pyarrow\._|\bpa\.lib\b")
    users = {path.name for path in scoring.rglob("*.py") if private.search(path.read_text())}
    assert users == {"arrow.py"}
