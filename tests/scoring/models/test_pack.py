"""Packs: the same answers as the single files, and never older ones."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.errors import ModelError, ModelMissing, ModelRefused, UsageError
from scoring.formats import PACK_NAME
from scoring.models.pack import Pack
from scoring.models.pack_format import SCHEMA
from scoring.models.pack_writer import write_pack
from scoring.models.store import ModelStore
from scoring.models.svm import SvmDetector
from scoring.models.write import save_model
from tests.scoring.run_command import scoring

ROOT = Path(__file__).resolve().parents[3]
SVM, FOREST, REFUSED, OTHER = (SensorKey("1", sensor) for sensor in "1234")
PROBE = np.random.default_rng(1).normal(50, 30, 300)


def readings(mean: float = 50) -> np.ndarray:
    return np.random.default_rng(0).normal(mean, 10, (120, 1))


def svm(mean: float = 50) -> Any:
    return make_pipeline(StandardScaler(), OneClassSVM(nu=0.1, gamma=0.3)).fit(readings(mean))


def answers(store: ModelStore, key: SensorKey) -> tuple[bytes, bytes, str]:
    model = store.get(key)
    labels, scores = model.detector.predict(PROBE)
    return labels.tobytes(), scores.tobytes(), model.sha256


def single(folder: Path, key: SensorKey) -> tuple[bytes, bytes, str]:
    return answers(ModelStore(folder, use_pack=False), key)


@pytest.fixture(scope="module")
def packed_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_model(svm(), folder, SVM)
    save_model(svm(20), folder, OTHER)
    forest = make_pipeline(RobustScaler(), IsolationForest(n_estimators=3, random_state=0))
    save_model(forest.fit(readings()), folder, FOREST)
    save_model(make_pipeline(FunctionTransformer(np.log1p), OneClassSVM()).fit(readings()), folder, REFUSED)
    return folder


@pytest.fixture
def models(packed_once: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    shutil.copytree(packed_once, folder)
    write_pack(folder)
    return folder


def rewritten(models: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write the pack again with other rows."""
    table = pa_parquet.read_table(models / PACK_NAME)
    rows = table.to_pylist()
    change(rows)
    written(pa.Table.from_pylist(rows, schema=table.schema), models / PACK_NAME)


def written(table: pa.Table, path: Path) -> None:
    pa_parquet.write_table(table, path, compression="none")


def test_a_fresh_pack_is_used_for_all_models_without_a_word(models: Path) -> None:
    def seen(*, use_pack: bool = True) -> tuple[int, str | None]:
        store = ModelStore(models, use_pack=use_pack)
        return store.unchanged, store.notice

    assert seen() == (4, None)
    assert seen(use_pack=False) == (0, None)
    (models / PACK_NAME).unlink()
    assert seen() == (0, None)


def test_packed_models_answer_like_their_single_files_to_the_bit(models: Path) -> None:
    store = ModelStore(models)
    for key in (SVM, FOREST, OTHER):
        assert answers(store, key) == single(models, key)
    assert isinstance(store.get(SVM).detector, SvmDetector)


def test_models_are_taken_from_the_pack_while_their_files_are_unchanged(models: Path) -> None:
    expected = single(models, SVM)
    path = models / SVM.model_name
    found = path.stat()
    store = ModelStore(models)
    path.write_bytes(b"?" * found.st_size)
    assert answers(store, SVM) == expected


WHOLE = ("sha256", "md5", "form", "numbers", "digest")


@pytest.mark.parametrize("names", [["numbers"], ["form"], ["digest"], WHOLE, WHOLE[1:]], ids=" ".join)
def test_parameters_that_are_not_those_of_this_file_are_not_used(models: Path, names: list[str]) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0].update({name: rows[1][name] for name in names})

    assert pa_parquet.read_table(models / PACK_NAME)["file"][:2].to_pylist() == [
        SVM.model_name,
        FOREST.model_name,
    ]
    rewritten(models, change)
    store = ModelStore(models)
    assert (store.unchanged, store.last_notice) == (4, None)
    assert answers(store, SVM) == single(models, SVM)
    assert store.last_notice == (
        "models.parquet does not hold what was packed of model_1_1.skops (1 in all): "
        "own files are used; pack the models again"
    )


def test_a_model_replaced_by_one_of_the_same_size_and_time_is_noticed(models: Path) -> None:
    path = models / SVM.model_name
    before, found = answers(ModelStore(models), SVM), path.stat()
    content = (models / OTHER.model_name).read_bytes()
    # Zeros after the archive make the sizes equal.
    size = max(len(content), found.st_size)
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    write_pack(models)
    stat = path.stat()
    path.write_bytes(content.ljust(size, b"\0"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    store = ModelStore(models)
    assert store.unchanged == 3
    assert store.notice
    assert store.notice.startswith(f"{PACK_NAME} is not up to date: 1 of 4 models are looked up in their own")
    assert answers(store, SVM) == single(models, SVM) != before
    assert answers(store, SVM)[1] == answers(store, OTHER)[1]


def test_a_copied_folder_gives_the_same_answers_after_comparing_content(models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(models, copy)
    store = ModelStore(copy)
    assert (store.unchanged, store.notice) == (0, None)
    for key in (SVM, FOREST, OTHER):
        assert answers(store, key) == single(models, key)


def md5(path: Path) -> str:
    return base64.b64encode(hashlib.md5(path.read_bytes(), usedforsecurity=False).digest()).decode()


def test_models_without_files_are_taken_from_the_pack_where_it_has_them_in_that_version(models: Path) -> None:
    expected = {key: single(models, key) for key in (SVM, FOREST)}
    packed = {key.model_name: md5(models / key.model_name) for key in (SVM, FOREST, OTHER)}
    packed[OTHER.model_name] = md5(models / SVM.model_name)
    for name in packed:
        (models / name).unlink()
    for use_pack in (True, False):
        store = ModelStore(models, use_pack=use_pack, packed=packed)
        assert store.keys() == {SVM, FOREST, OTHER, REFUSED}
        assert {key: answers(store, key) for key in expected} == expected
        with pytest.raises(ModelMissing):
            store.get(OTHER)
        assert store.notice is None


def test_a_pack_holds_the_models_that_can_be_taken_from_it_and_no_others(models: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["numbers"] = rows[0]["numbers"]
        rows[3]["md5"] = rows[0]["md5"]

    found = {key.model_name: md5(models / key.model_name) for key in (SVM, FOREST, OTHER)}
    assert Pack(models / PACK_NAME).held() == found  # and not the one that was refused
    rewritten(models, change)
    assert Pack(models / PACK_NAME).held() == {SVM.model_name: found[SVM.model_name]}


def test_models_added_and_removed_since_packing_are_seen(models: Path) -> None:
    added = SensorKey("a", "b")
    save_model(svm(80), models, added)
    (models / SVM.model_name).unlink()
    store = ModelStore(models)
    assert store.keys() == {FOREST, REFUSED, OTHER, added}
    assert answers(store, added) == single(models, added)
    with pytest.raises(ModelMissing, match="train or upload"):
        store.get(SVM)
    assert answers(store, OTHER) == single(models, OTHER)


def test_a_refused_model_stays_refused_with_its_reason(models: Path) -> None:
    with pytest.raises(
        ModelRefused, match=r"model_1_3\.skops: has .*FunctionTransformer before its detector: supported are"
    ):
        ModelStore(models).get(REFUSED)


def test_a_model_too_broken_to_be_read_stays_broken(models: Path) -> None:
    (models / OTHER.model_name).write_bytes(b"PK no archive")
    report = write_pack(models)
    assert (report.packed, list(report.refused)) == (2, [REFUSED.model_name, OTHER.model_name])
    with pytest.raises(ModelError, match=r"model_1_4\.skops: is not a \.skops file"):
        ModelStore(models).get(OTHER)


def test_a_folder_named_like_a_model_fails_its_own_sensor_only(models: Path) -> None:
    (models / OTHER.model_name).unlink()
    (models / OTHER.model_name).mkdir()
    assert len(write_pack(models).refused) == 2
    store = ModelStore(models)
    with pytest.raises(ModelError, match="Is a directory"):
        store.get(OTHER)
    assert answers(store, SVM) == single(models, SVM)


def test_a_link_that_leads_nowhere_is_a_missing_model(models: Path) -> None:
    (models / OTHER.model_name).unlink()
    (models / OTHER.model_name).symlink_to(models / "gone")
    for _ in range(2):
        store = ModelStore(models)
        with pytest.raises(ModelMissing):
            store.get(OTHER)
        assert answers(store, SVM) == single(models, SVM)
        assert len(write_pack(models).refused) == 2


def test_names_that_are_not_text_belong_to_other_programs(models: Path) -> None:
    Path(os.fsdecode(os.fsencode(models) + b"/model_\xff_1.skops")).touch()
    write_pack(models)
    assert ModelStore(models).unchanged == 4
    assert ModelStore(models).keys() == {SVM, FOREST, REFUSED, OTHER}


def test_a_pack_written_while_another_is_in_use_does_not_mix_up_models(models: Path) -> None:
    store, expected = ModelStore(models), single(models, FOREST)
    for sensor in "xyz":
        save_model(svm(), models, SensorKey("0", sensor))
    write_pack(models)
    assert answers(store, FOREST) == expected


def not_parquet(path: Path) -> None:
    path.write_bytes(b"no Parquet at all")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def other_version(path: Path) -> None:
    table = pa_parquet.read_table(path)
    written(table.replace_schema_metadata({b"fleet-scoring-pack": b"99"}), path)


def no_version(path: Path) -> None:
    written(pa_parquet.read_table(path).replace_schema_metadata(None), path)


def no_numbers(path: Path) -> None:
    written(pa_parquet.read_table(path).drop_columns(["numbers"]), path)


def text_for_integers(path: Path) -> None:
    table = pa_parquet.read_table(path)
    place = table.schema.get_field_index("size")
    written(table.set_column(place, "size", table["size"].cast(pa.string())), path)


def null(path: Path) -> None:
    table = pa_parquet.read_table(path)
    place = table.schema.get_field_index("form")
    written(table.set_column(place, "form", pa.nulls(table.num_rows, pa.string())), path)


def one_file_many_times(path: Path) -> None:
    table = pa_parquet.read_table(path)
    written(pa.concat_tables([table.slice(0, 1)] * 100_000), path)


def long_names(path: Path) -> None:
    table = pa_parquet.read_table(path)
    place = table.schema.get_field_index("file")
    written(table.set_column(place, "file", pa.array(["x" * n for n in range(1000, 1004)])), path)


def compressed(path: Path) -> None:
    """Zeros take no room then: 16 GB of them fit into half a megabyte."""
    table = pa_parquet.read_table(path)
    pa_parquet.write_table(table, path, compression="zstd")


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = bytes(len(content) // 2 - 4)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        not_parquet,
        empty,
        cut_off,
        other_version,
        no_version,
        no_numbers,
        text_for_integers,
        null,
        one_file_many_times,
        long_names,
        compressed,
        damaged,
    ],
    ids=lambda damage: damage.__name__,
)
def test_a_malformed_pack_is_not_used_and_says_why(models: Path, damage: Callable[[Path], None]) -> None:
    damage(models / PACK_NAME)
    store = ModelStore(models)
    assert store.unchanged == 0
    assert store.notice
    assert store.notice.startswith(f"{PACK_NAME} is not used: it ")
    assert "\n" not in store.notice
    assert answers(store, SVM) == single(models, SVM)


@pytest.mark.parametrize("wrong", [11, 0x55])
def test_a_pack_with_a_wrong_byte_in_its_footer_never_ends_the_process(models: Path, wrong: int) -> None:
    """Arrow takes some for a compression or a type that does not exist, and pyarrow would abort."""
    script = """if True:
        import sys
        from pathlib import Path
        from scoring.errors import ModelError
        from scoring.models.pack import Pack
        path, wrong = Path(sys.argv[1]), int(sys.argv[2])
        good = path.read_bytes()
        for place in range(len(good) - 8 - int.from_bytes(good[-8:-4], "little"), len(good)):
            path.write_bytes(good[:place] + bytes([wrong]) + good[place + 1 :])
            try:
                Pack(path).held()
            except ModelError:
                pass
    """
    command = [sys.executable, "-c", script, str(models / PACK_NAME), str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_with_damaged_numbers_the_single_files_are_used(models: Path) -> None:
    path = models / PACK_NAME
    metadata = pa_parquet.ParquetFile(path).metadata
    place = SCHEMA.names.index("numbers")
    chunk = metadata.row_group(0).column(place)
    content = bytearray(path.read_bytes())
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 64 : end] = b"\xff" * 64
    path.write_bytes(content)
    store = ModelStore(models)
    assert store.unchanged == 4
    for key in (SVM, FOREST, OTHER):
        assert answers(store, key) == single(models, key)


def test_a_column_of_numbers_that_cannot_be_read_leaves_the_single_files(models: Path) -> None:
    path = models / PACK_NAME
    metadata = pa_parquet.ParquetFile(path).metadata
    place = SCHEMA.names.index("numbers")
    chunk = metadata.row_group(0).column(place)
    content = bytearray(path.read_bytes())
    start = chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(content)
    store = ModelStore(models)
    for key in (SVM, FOREST, OTHER):
        assert answers(store, key) == single(models, key)


def test_packing_twice_gives_the_same_bytes(models: Path) -> None:
    before = (models / PACK_NAME).read_bytes()
    write_pack(models)
    assert (models / PACK_NAME).read_bytes() == before


def test_an_empty_folder_can_be_packed(tmp_path: Path) -> None:
    write_pack(tmp_path)
    assert not ModelStore(tmp_path).keys()
    save_model(svm(), tmp_path, SVM)
    assert answers(ModelStore(tmp_path), SVM) == single(tmp_path, SVM)


def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a folder of models"):
        write_pack(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is not a folder of models"):
        ModelStore(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is not a folder of models"):
        ModelStore(tmp_path / "nowhere", use_pack=False)


def test_the_command_reports_what_it_packed_and_rejects_what_scoring_rejects_in_the_same_words(
    models: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scoring", "pack", "--models", str(models)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"packed 3 models -> {models / PACK_NAME}\n"
    with pytest.raises(ModelRefused) as refused:
        ModelStore(models).get(REFUSED)
    assert (done.returncode, done.stderr) == (0, f"refused {refused.value}\n")


def test_the_command_lists_what_a_pack_holds_and_writes_nothing(models: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in models.iterdir()}
    done = scoring("pack", "--models", models, "--list")
    assert (done.code, json.loads(done.out)) == (0, Pack(models / PACK_NAME).held())
    assert {path.name: path.stat().st_mtime_ns for path in models.iterdir()} == before
    damaged(models / PACK_NAME)
    done = scoring("pack", "--models", models, "--list")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {PACK_NAME} is not used: it cannot be read")


def test_packed_models_need_neither_scikit_learn_nor_skops(models: Path) -> None:
    code = (
        "import sys, pathlib; from scoring import SensorKey; from scoring.models.store import ModelStore\n"
        "store = ModelStore(pathlib.Path(sys.argv[1]))\n"
        "store.get(SensorKey('1', '1')); store.get(SensorKey('1', '2'))\n"
        "print(store.unchanged, [n for n in ('sklearn', 'skops', 'scipy', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(models)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "4 []\n"


def test_of_each_file_the_store_keeps_its_name_only(models: Path) -> None:
    content, files = (models / SVM.model_name).read_bytes(), 2_000
    for sensor in range(100, 100 + files):
        (models / SensorKey("1", str(sensor)).model_name).write_bytes(content)
    ModelStore(models)  # imports are not measured
    tracemalloc.start()
    try:
        store = ModelStore(models)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / files < 300, "what stat found takes 700 bytes of each"
    assert len(store.keys()) == files + 4


def test_a_model_too_large_for_the_pack_is_read_from_its_own_file_without_a_notice(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pack(models)
    packed = answers(ModelStore(models), SVM)
    monkeypatch.setattr("scoring.models.pack._MOST_GROUP_BYTES", 10)
    store = ModelStore(models)
    assert answers(store, SVM) == packed
    assert (store.notice, store.last_notice) == (None, None)


def test_texts_of_many_models_without_numbers_are_packed_in_groups_that_are_read(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = models / REFUSED.model_name
    for sensor in range(100, 140):
        (models / SensorKey("1", str(sensor)).model_name).write_bytes(refused.read_bytes())
    monkeypatch.setattr("scoring.models.pack_writer.GROUP_BYTES", 2_000)
    write_pack(models)
    store = ModelStore(models)
    assert (store.unchanged, store.notice) == (44, None)
    metadata = pa_parquet.read_metadata(models / PACK_NAME)
    groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    assert max(groups) < 20
