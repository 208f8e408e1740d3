"""Legacy pickles: read as data, converted, and answering as they did."""

import bz2
import copyreg
import gzip
import lzma
import os
import pickle
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.svm import SVC, OneClassSVM

from scoring import SensorKey
from scoring.errors import ModelError, ModelRefused
from scoring.legacy.unpickle import read_pickle
from scoring.legacy.convert import convert
from scoring.models.files import list_models, load_model
from tests.scoring.said import scoring

pytestmark = pytest.mark.usefixtures("measured")

PROBE = np.random.default_rng(1).normal(50, 30, 300)
KERNELS = ("linear", "poly", "rbf", "sigmoid")


def readings(features: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 10, (60, features))


def bare(kernel: str = "rbf", **options: Any) -> Any:
    return OneClassSVM(kernel=kernel, gamma=0.01, nu=0.2, degree=2, **options).fit(readings() / 10)


def scaled(scaler: Any = None, kernel: str = "rbf") -> Any:
    return make_pipeline(scaler or StandardScaler(), OneClassSVM(kernel=kernel, nu=0.2)).fit(readings())


def answers_alike(content: bytes, original: Any) -> None:
    converted = convert(read_pickle(content))
    found, expected = (model.decision_function(PROBE[:, None]) for model in (converted, original))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=0)
    assert (converted.predict(PROBE[:, None]) == original.predict(PROBE[:, None])).all()
    assert type(converted) is type(original)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_pickle_of_any_protocol_answers_like_the_original(kernel: str, protocol: int) -> None:
    for model in (bare(kernel), scaled(kernel=kernel)):
        answers_alike(pickle.dumps(model, protocol), model)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler((-2, 3)),
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
        MaxAbsScaler(clip=True),
        RobustScaler(),
        RobustScaler(with_centering=False),
        RobustScaler(with_scaling=False),
    ],
    ids=repr,
)
def test_every_scaler_scales_as_it_did(scaler: Any) -> None:
    for protocol in (0, 2, 5):
        model = scaled(scaler)
        answers_alike(pickle.dumps(model, protocol), model)


def test_a_pipeline_of_several_scalers_keeps_their_order() -> None:
    model = make_pipeline(MinMaxScaler(), StandardScaler(), OneClassSVM()).fit(readings())
    answers_alike(pickle.dumps(model), model)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3])
def test_classes_are_known_by_the_names_of_old_modules_too(protocol: int) -> None:
    model = scaled()
    content = pickle.dumps(model, protocol)
    for new, old in (
        (b"csklearn.svm._classes\n", b"csklearn.svm.classes\n"),
        (b"csklearn.preprocessing._data\n", b"csklearn.preprocessing.data\n"),
        (b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"),
    ):
        assert new in content
        content = content.replace(new, old)
    answers_alike(content, model)


@pytest.mark.parametrize(
    "compress", [0, *[(name, 3) for name in ("zlib", "gzip", "bz2", "lzma", "xz")]], ids=str
)
def test_joblib_files_are_read_whatever_compresses_them(tmp_path: Path, compress: Any) -> None:
    for number, model in enumerate((bare(), scaled(MinMaxScaler()))):
        joblib.dump(model, tmp_path / str(number), compress=compress)
        answers_alike((tmp_path / str(number)).read_bytes(), model)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_compressed_pickles_are_read(compress: Callable[[bytes], bytes]) -> None:
    model = bare()
    answers_alike(compress(pickle.dumps(model)), model)


def test_a_big_endian_array_is_read_by_its_value() -> None:
    model = bare()
    model.support_vectors_ = model.support_vectors_.astype(">f8")
    answers_alike(pickle.dumps(model), bare())


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            lambda: KernelDensity().fit(readings()),
            r"asks for sklearn\.neighbors\._kde\.KernelDensity: nothing of it was run",
        ),
        (lambda: SVC().fit(readings(), np.arange(60) % 2), r"asks for sklearn\.svm\._classes\.SVC"),
        (
            lambda: make_pipeline(Normalizer(), OneClassSVM()).fit(readings()),
            r"asks for sklearn\.preprocessing\._data\.Normalizer: nothing of it was run",
        ),
        (lambda: StandardScaler().fit(readings()), "ends in a StandardScaler, which is no detector"),
        (lambda: Path("x"), r"asks for pathlib\S*\.PosixPath"),
        (lambda: [1, 2], "holds no estimator but a list"),
        (lambda: OneClassSVM(kernel=max), r"asks for builtins\.max"),
    ],
)
def test_what_is_no_model_of_ours_is_refused_and_named(model: Callable[[], Any], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        convert(read_pickle(pickle.dumps(model())))


def test_arrays_of_objects_are_refused() -> None:
    model = bare()
    model.support_vectors_ = model.support_vectors_.astype(object)
    with pytest.raises(ModelError, match="something other than numbers"):
        read_pickle(pickle.dumps(model))


def test_a_model_of_two_features_says_that_a_reading_has_one() -> None:
    with pytest.raises(ModelError, match="expects 2 features, and a reading has one"):
        convert(read_pickle(pickle.dumps(OneClassSVM().fit(readings(2)))))


def test_a_model_that_was_not_fitted_lacks_attributes() -> None:
    with pytest.raises(ModelError, match="lacks or spoils an attribute"):
        convert(read_pickle(pickle.dumps(OneClassSVM())))


@pytest.mark.parametrize(
    "change",
    [
        {"_gamma": 10**400},
        {"_gamma": "wide"},
        {"_gamma": float("nan")},
        {"kernel": "precomputed"},
        {"kernel": 7},
        {"degree": 1 << 70},
        {"coef0": None},
        {"support_": np.arange(100_000, dtype=np.int32)},
        {"support_": np.arange(0)},
        {"_dual_coef_": np.ones((1, 2))},
        {"_intercept_": np.ones(3)},
        {"_intercept_": np.array([np.inf])},
        {"support_vectors_": np.ones(5)},
        {"support_vectors_": "text"},
    ],
    ids=lambda change: "-".join(f"{name}={str(value)[:12]}" for name, value in change.items()),
)
def test_a_spoilt_number_is_told_in_a_line(change: dict[str, Any]) -> None:
    model = bare("poly")
    vars(model).update(change)
    with pytest.raises(ModelError) as told:
        convert(read_pickle(pickle.dumps(model)))
    assert "\n" not in str(told.value)


def test_a_scaler_that_would_answer_differently_is_refused() -> None:
    model = scaled(RobustScaler())
    model[0].with_centering = False
    with pytest.raises(ModelError, match="answers differently after conversion"):
        convert(read_pickle(pickle.dumps(model)))


def test_a_scaler_of_no_numbers_is_refused() -> None:
    for name, value in (("scale_", "wide"), ("scale_", np.ones(2)), ("scale_", np.zeros(1)), ("mean_", {})):
        model = scaled()
        setattr(model[0], name, value)
        with pytest.raises(ModelError):
            convert(read_pickle(pickle.dumps(model)))


def test_a_parameter_that_holds_itself_is_refused() -> None:
    model = scaled(MinMaxScaler())
    loop: list[Any] = []
    loop.append(loop)
    model[0].feature_range = loop
    with pytest.raises(ModelError, match="has a parameter that is a list"):
        convert(read_pickle(pickle.dumps(model)))


def test_nothing_of_a_pickle_is_imported() -> None:
    with pytest.raises(ModelRefused, match=r"asks for antigravity\.fly"):
        read_pickle(b"cantigravity\nfly\n.")
    assert "antigravity" not in sys.modules


class Registered:
    """A class with an extension code."""


def test_extension_codes_are_refused() -> None:
    copyreg.add_extension(Registered.__module__, "Registered", 240)
    try:
        content = pickle.dumps(Registered(), 2)
    finally:
        copyreg.remove_extension(Registered.__module__, "Registered", 240)
    with pytest.raises(ModelRefused, match="asks for extension 240"):
        read_pickle(content)


def test_the_command_imports_what_it_can_and_tells_the_rest_line_by_line(tmp_path: Path) -> None:
    source, models = tmp_path / "old", tmp_path / "new"
    source.mkdir()
    good = pickle.dumps(scaled())
    names = ("model_1_1", "model_1_2.pkl", "model_1_3.pickle", "model_1_4.joblib", "model_Ünit 7_5.sav")
    for name in names:
        (source / name).write_bytes(good)
    bad = {
        "model_1_1.pkl": "'model_1_1' is a model of the same sensor",
        "model_a_b_c": "its name does not say whose model it is: expected model_DEVICE_SENSOR",
        "model_b": "its name does not say whose model it is",
        "model__1": "Device '' is empty",
        "other.pkl": "its name does not say whose model it is",
        "model_9_1.skops": "it is a .skops file already",
        "model_9_2": "is no pickle that can be read",
        "model_9_3": "is compressed, and broken",
        "model_9_4": "asks for evil?[2J.run: nothing of it was run",
    }
    for name in bad:
        (source / name).write_bytes(good)
    (source / "model_9_2").write_bytes(b"")
    (source / "model_9_3").write_bytes(b"\x1f\x8b broken")
    (source / "model_9_4").write_bytes(b"cevil\x1b[2J\nrun\n.")
    done = scoring("import-models", source, models)
    assert done.code == 1
    assert done.out == f"imported 5 of 14 models -> {models}\n"
    lines = done.err.splitlines()
    assert len(lines) == len(bad)
    for name, reason in bad.items():
        (line,) = [line for line in lines if line.startswith(f"refused {name!r}: ")]
        assert reason in line
    expected = {SensorKey("1", sensor) for sensor in "1234"} | {SensorKey("Ünit 7", "5")}
    assert set(list_models(models)) == expected


def test_the_command_takes_a_single_file_and_ends_well(tmp_path: Path) -> None:
    (tmp_path / "model_1_3.pkl").write_bytes(pickle.dumps(bare()))
    done = scoring("import-models", tmp_path / "model_1_3.pkl", tmp_path / "new", "--json")
    assert (done.code, done.out, done.err) == (0, '{"imported": 1, "refused": 0}\n', "")
    assert list(list_models(tmp_path / "new")) == [SensorKey("1", "3")]


@pytest.mark.parametrize("ending", ["", ".pkl", ".joblib.gz", ".pkl.z", ".sav.xz", ".gz", ".PKL"])
def test_endings_of_pickles_are_no_part_of_a_sensor(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"model_1_3{ending}").write_bytes(zlib.compress(pickle.dumps(bare())))
    assert scoring("import-models", tmp_path / f"model_1_3{ending}", tmp_path / "new").code == 0
    assert list(list_models(tmp_path / "new")) == [SensorKey("1", "3")]


@pytest.mark.parametrize("sensor", ["3.5", "3%", "3.saved", "3.old"])
def test_other_dots_are_part_of_a_sensor(tmp_path: Path, sensor: str) -> None:
    (tmp_path / f"model_1_{sensor}.pkl").write_bytes(pickle.dumps(bare()))
    scoring("import-models", tmp_path / f"model_1_{sensor}.pkl", tmp_path / "new")
    assert list(list_models(tmp_path / "new")) == [SensorKey("1", sensor)]


@pytest.mark.parametrize("more", [".bak", "~", " (copy)", "-old", ".gz.1", "2"])
def test_a_copy_that_was_put_aside_is_no_model_of_another_sensor(tmp_path: Path, more: str) -> None:
    (tmp_path / f"model_1_3.5.pkl{more}").write_bytes(pickle.dumps(bare()))
    done = scoring("import-models", tmp_path / f"model_1_3.5.pkl{more}", tmp_path / "new")
    assert done.code == 1
    assert done.err.endswith(
        ": its name goes on after the ending: is it a copy? Rename it to model_1_3.5.pkl\n"
    )


def test_what_is_no_file_that_can_be_read_is_told_and_the_others_are_imported(tmp_path: Path) -> None:
    old = tmp_path / "old"
    (old / "model_1_0").mkdir(parents=True)
    (old / "model_1_1").symlink_to("model_1_1")
    (old / "model_1_2").symlink_to("gone")
    os.mkfifo(old / "model_1_3")
    (old / "model_1_4").write_bytes(pickle.dumps(bare()))
    done = scoring("import-models", old, tmp_path / "new")
    assert (done.code, done.out) == (1, f"imported 1 of 4 models -> {tmp_path / 'new'}\n")
    assert [line.split(":")[0] for line in done.err.splitlines()] == [
        "refused 'model_1_1'",
        "refused 'model_1_2'",
        "refused 'model_1_3'",
    ]


def test_a_refused_pickle_leaves_the_model_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "model_1_3.pkl").write_bytes(pickle.dumps(bare()))
    scoring("import-models", tmp_path / "model_1_3.pkl", tmp_path / "new")
    before = (tmp_path / "new" / "model_1_3.skops").read_bytes()
    spoilt = bare()
    spoilt._gamma = -0.0001
    (tmp_path / "model_1_3.pkl").write_bytes(pickle.dumps(spoilt))
    assert scoring("import-models", tmp_path / "model_1_3.pkl", tmp_path / "new").code == 1
    assert (tmp_path / "new" / "model_1_3.skops").read_bytes() == before


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_nothing_to_import_is_wrong_use(tmp_path: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    done = scoring("import-models", tmp_path / source, tmp_path / "new")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1


def test_the_seed_models_are_all_imported_and_keep_their_numbers(seed: Path, tmp_path: Path) -> None:
    shutil.copytree(seed / "models", tmp_path / "old")
    done = scoring("import-models", tmp_path / "old", tmp_path / "new")
    assert (done.code, done.err) == (0, "")
    models = list_models(tmp_path / "new")
    assert len(models) == 15
    for key in models:
        record = read_pickle((seed / "models" / f"model_{key.device}_{key.sensor}").read_bytes())
        _, scores = load_model(tmp_path / "new", key).detector.predict(PROBE)
        expected = convert(record).decision_function(PROBE[:, None])
        np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=0)


BIG = 1 << 40


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x05\x96" + BIG.to_bytes(8, "little"), "unpacks to more than"),
        (b"\x80\x05\x8d" + BIG.to_bytes(8, "little"), "can be read"),
        (b"\x80\x05\x8e" + BIG.to_bytes(8, "little"), "can be read"),
        (b"\x80\x05\x95" + BIG.to_bytes(8, "little") + b"N.", "holds no estimator|can be read"),
        (b"(" * 100_000 + b"t" * 100_000 + b".", "holds no estimator but a tuple"),
        (b")" + b"2\x86" * 64 + b"Q.", "persistent object that is a tuple"),
        (b"})" + b"2\x86" * 64 + b"Ns.", "a key that is a tuple"),
        (b"}()" + b"2\x86" * 64 + b"Nu.", "a key that is a tuple"),
        (b"()" + b"2\x86" * 64 + b"Nd.", "a key that is a tuple"),
        (b"\x80\x04(K\x01\x91.", "asks for a set"),
        (b"\x80\x04\x8f.", "asks for a set"),
        (b"cnumpy\ndtype\n)" + b"2\x86" * 64 + b"\x85R.", "something other than numbers"),
        (b"c_codecs\nencode\n)" + b"2\x86" * 64 + b"\x85R.", "bytes made of no text"),
    ],
    ids=range(13),
)
def test_a_small_file_cannot_ask_for_much_memory_or_time(content: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        read_pickle(content)


def test_one_large_text_cannot_be_copied_again_and_again() -> None:
    copies = b"c_codecs\nencode\nq\x00X" + (1 << 22).to_bytes(4, "little") + b"x" * (1 << 22) + b"q\x010"
    copies += b"h\x00h\x01\x85R" * 100 + b"."
    with pytest.raises(ModelError, match="unpacks to more than 256 MB"):
        read_pickle(copies)
