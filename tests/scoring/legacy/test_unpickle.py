"""Legacy pickles: read as data, with the original predictions."""

import bz2
import copyreg
import gzip
import lzma
import pickle
import pickletools
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, OneClassSVM

from scoring.errors import ModelError
from scoring.legacy import opcodes, unpickle
from scoring.legacy.unpickle import read_pickle
from scoring.models.interpret import model_parameters
from tests.scoring.legacy.imported import imported

PROBE = np.random.default_rng(1).normal(50, 30, 300)
KERNELS = ("linear", "poly", "rbf", "sigmoid")
DETECTORS: dict[str, Callable[[], Any]] = {
    **{kernel: partial(OneClassSVM, kernel=kernel, nu=0.2) for kernel in KERNELS},
    "stochastic": lambda: SGDOneClassSVM(nu=0.2, random_state=0),
    "forest": lambda: IsolationForest(n_estimators=5, max_samples=32, random_state=0),
    "contaminated forest": lambda: IsolationForest(n_estimators=5, contamination=0.1, random_state=0),
    "neighbours": lambda: LocalOutlierFactor(n_neighbors=5, novelty=True),
    "neighbours without a tree": lambda: LocalOutlierFactor(n_neighbors=5, novelty=True, algorithm="brute"),
    "envelope": lambda: EllipticEnvelope(random_state=0),
}
TRANSFORMERS: dict[str, Callable[[], Any]] = {
    **{
        repr(made): partial(clone, made)
        for made in (
            StandardScaler(with_mean=False),
            StandardScaler(with_std=False),
            MinMaxScaler((-2, 3)),
            MinMaxScaler(clip=True),
            MaxAbsScaler(),
            RobustScaler(),
            RobustScaler(with_centering=False),
            RobustScaler(with_scaling=False),
            PowerTransformer(),
            QuantileTransformer(n_quantiles=20),
            PolynomialFeatures(3),
            SimpleImputer(),
            PCA(whiten=True),
            Nystroem(n_components=5, random_state=0),
            RBFSampler(n_components=5, random_state=0),
        )
    },
    "passthrough": lambda: "passthrough",
}


def products(a: Any, b: Any) -> Any:
    return a @ b.T


def distance(a: Any, b: Any) -> float:
    return float(abs(a - b).sum())


def readings(features: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 10, (60, features))


def frame() -> pd.DataFrame:
    return pd.DataFrame({"Value": readings()[:, 0]})


def bare(kernel: str = "rbf", **options: Any) -> Any:
    return OneClassSVM(kernel=kernel, gamma=0.01, nu=0.2, degree=2, **options).fit(readings() / 10)


def scaled(scaler: Any = None, detector: Any = None, values: Any = None) -> Any:
    detector = OneClassSVM(nu=0.2) if detector is None else detector
    model = make_pipeline(scaler or StandardScaler(), detector)
    return model.fit(readings() if values is None else values)


def dumped(model: Any, folder: Path, compress: Any = 0) -> bytes:
    joblib.dump(model, folder / "dumped", compress=compress)
    return (folder / "dumped").read_bytes()


def answers_alike(content: bytes, original: Any) -> None:
    column = PROBE[:, None]
    if hasattr(original, "feature_names_in_"):
        column = pd.DataFrame({"Value": PROBE})
    labels, scores = imported(content).predict(PROBE)
    np.testing.assert_allclose(scores, original.decision_function(column).reshape(-1), rtol=1e-9, atol=0)
    assert (labels == (original.predict(column) == -1)).all()


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_pickle_of_any_protocol_predicts_like_the_original(detector: str) -> None:
    for model in (DETECTORS[detector]().fit(readings()), scaled(detector=DETECTORS[detector]())):
        for protocol in range(6):
            answers_alike(pickle.dumps(model, protocol), model)


@pytest.mark.filterwarnings(
    "ignore:X does not have valid feature names"
)  # scikit-learn's own, of its own array
@pytest.mark.parametrize("detector", DETECTORS)
def test_a_detector_that_was_fitted_on_a_data_frame_is_imported(tmp_path: Path, detector: str) -> None:
    for model in (DETECTORS[detector]().fit(frame()), scaled(detector=DETECTORS[detector](), values=frame())):
        for protocol in range(6):
            answers_alike(pickle.dumps(model, protocol), model)
        for compress in (0, 3):
            answers_alike(dumped(model, tmp_path, compress), model)


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_every_transformer_works_as_it_did(tmp_path: Path, transformer: str) -> None:
    model = make_pipeline(TRANSFORMERS[transformer](), OneClassSVM(nu=0.2)).fit(readings())
    for protocol in (0, 2, 5):
        answers_alike(pickle.dumps(model, protocol), model)
    answers_alike(dumped(model, tmp_path), model)


def test_a_pipeline_of_several_scalers_keeps_their_order() -> None:
    model = make_pipeline(MinMaxScaler(), make_pipeline(StandardScaler(), OneClassSVM())).fit(readings())
    answers_alike(pickle.dumps(model), model)


def test_attributes_that_prediction_does_not_need_are_skipped() -> None:
    model = scaled(detector=OneClassSVM(nu=0.2))
    model.memory = joblib.Memory(None)
    model[1].notes = {1: {2, 3}, "file": Path("x"), ("a", "b"): [np.array(["text"], object), max]}
    model[1].random_state = np.random.default_rng(0)
    model[1].dates = np.array(["2024-01-01"], "M8[D]")
    model[1].texts = np.array(["a", "b"])
    for protocol in range(6):
        answers_alike(pickle.dumps(model, protocol), model)


def test_a_kernel_can_be_a_numpy_string() -> None:
    model = bare()
    for protocol in range(6):
        model.kernel = np.str_("rbf")
        content = pickle.dumps(model, protocol)
        model.kernel = "rbf"
        answers_alike(content, model)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3])
def test_class_names_in_old_modules_are_recognised(protocol: int) -> None:
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
    "compress",
    [0, *[(name, level) for name in ("zlib", "gzip", "bz2", "lzma", "xz") for level in (3, 9)]],
    ids=str,
)
def test_joblib_files_of_every_compression_are_read(tmp_path: Path, compress: Any) -> None:
    for model in (bare(), scaled(MinMaxScaler())):
        answers_alike(dumped(model, tmp_path, compress), model)


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_compressed_pickles_are_read(compress: Callable[[bytes], bytes]) -> None:
    model = bare()
    answers_alike(compress(pickle.dumps(model)), model)


def test_a_big_endian_array_is_read_by_its_value() -> None:
    model = bare()
    model.support_vectors_ = model.support_vectors_.astype(">f8")
    answers_alike(pickle.dumps(model), bare())


def test_an_array_in_column_order_is_read_by_its_value(tmp_path: Path) -> None:
    model = scaled(Nystroem(n_components=5, random_state=0), SGDOneClassSVM(random_state=0))
    model[0].normalization_ = np.asfortranarray(model[0].normalization_)
    answers_alike(pickle.dumps(model), model)
    answers_alike(dumped(model, tmp_path), model)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda: KernelDensity().fit(readings()), r"sklearn\.neighbors\._kde\.KernelDensity"),
        (lambda: SVC().fit(readings(), np.arange(60) % 2), r"sklearn\.svm\._classes\.SVC"),
        (lambda: scaled(Normalizer()), r"sklearn\.preprocessing\._data\.Normalizer"),
        (lambda: StandardScaler().fit(readings()), r"sklearn\.preprocessing\._data\.StandardScaler"),
        (lambda: Path("x"), r"pathlib\S*\.PosixPath"),
        (lambda: [1, 2], "holds no estimator but a list"),
        (lambda: OneClassSVM(kernel=products).fit(readings()), "kernel of its own"),
        (lambda: OneClassSVM(kernel="precomputed").fit(np.eye(2)), "kernel of its own"),
        (lambda: LocalOutlierFactor(novelty=True, metric=distance).fit(readings()), "metric of its own"),
        (lambda: LocalOutlierFactor().fit(readings()), "without novelty=True"),
    ],
)
def test_unsupported_models_are_rejected_by_name(model: Callable[[], Any], reason: str) -> None:
    content = pickle.dumps(model())
    with pytest.raises(ModelError, match=reason):
        imported(content)


def test_an_array_of_objects_is_not_one_of_numbers() -> None:
    model = bare()
    model.support_vectors_ = model.support_vectors_.astype(object)
    with pytest.raises(ModelError, match="support_vectors_ of its OneClassSVM is not an array of numbers"):
        imported(pickle.dumps(model))


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_model_of_two_features_is_rejected_with_the_version_that_wrote_it(detector: str) -> None:
    model = DETECTORS[detector]().fit(readings(2))
    with pytest.raises(ModelError, match=r"expects 2 features, and a reading has one.*by scikit-learn 1"):
        imported(pickle.dumps(model))


def test_a_model_that_was_not_fitted_has_missing_attributes() -> None:
    with pytest.raises(ModelError, match="support_vectors_ of its OneClassSVM is missing"):
        imported(pickle.dumps(OneClassSVM()))


@pytest.mark.parametrize(
    "change",
    [
        {"_gamma": 10**400},
        {"_gamma": "wide"},
        {"_gamma": float("nan")},
        {"kernel": "other"},
        {"kernel": 7},
        {"degree": 1 << 70},
        {"coef0": None},
        {"_dual_coef_": np.ones((1, 2))},
        {"_intercept_": np.ones(3)},
        {"_intercept_": np.array([np.inf])},
        {"support_vectors_": np.ones(5)},
        {"support_vectors_": "text"},
    ],
    ids=lambda change: "-".join(f"{name}={str(value)[:12]}" for name, value in change.items()),
)
def test_an_invalid_number_is_reported_in_one_line(change: dict[str, Any]) -> None:
    model = bare("poly")
    vars(model).update(change)
    with pytest.raises(ModelError) as refused:
        imported(pickle.dumps(model))
    assert "\n" not in str(refused.value)


def test_a_scaler_without_numbers_is_rejected() -> None:
    for name, value in (("scale_", "wide"), ("scale_", np.ones(2)), ("scale_", np.zeros(1)), ("mean_", {})):
        model = scaled()
        setattr(model[0], name, value)
        with pytest.raises(ModelError):
            imported(pickle.dumps(model))


@pytest.mark.parametrize(
    ("transformer", "change"),
    [
        (PolynomialFeatures(2), {"degree": 10**5000}),
        (PolynomialFeatures(2), {"degree": (0, 10**400)}),
        (MinMaxScaler(clip=True), {"feature_range": (0, 10**400)}),
        (Nystroem(n_components=2), {"kernel": 10**5000}),
        (Nystroem(n_components=2), {"kernel_params": {"gamma": 10**400}}),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else next(iter(value)),
)
def test_an_integer_of_thousands_of_digits_is_rejected(transformer: Any, change: dict[str, Any]) -> None:
    model = scaled(transformer)
    vars(model[0]).update(change)
    with pytest.raises(ModelError) as refused:
        imported(pickle.dumps(model))
    assert len(str(refused.value)) < 300


def test_what_is_read_of_an_array_can_be_saved_and_read_again() -> None:
    model = IsolationForest(n_estimators=2, random_state=0).fit(readings())
    content = pickle.dumps(model, 0).replace(b"weighted_n_node_samples", b"weighted_n_node_6amples")
    with pytest.raises(ModelError, match="nodes of its Tree is not an array of a tree's nodes"):
        imported(content)


def test_a_version_that_is_none_is_not_repeated() -> None:
    model = bare("rbf")
    content = pickle.dumps(model).replace(sklearn.__version__.encode(), b"1\n9.1")
    assert read_pickle(content).version is None


def test_a_parameter_that_contains_itself_is_rejected() -> None:
    model = scaled(MinMaxScaler(clip=True))
    loop: list[Any] = []
    loop.append(loop)
    model[0].feature_range = loop
    with pytest.raises(ModelError, match="feature_range of its MinMaxScaler is not a pair of numbers"):
        imported(pickle.dumps(model))


def test_a_pipeline_that_contains_itself_is_rejected() -> None:
    model = scaled()
    model.steps[0] = ("again", model)
    with pytest.raises(ModelError, match="nests pipelines more than"):
        imported(pickle.dumps(model))


def test_nothing_of_a_pickle_is_imported() -> None:
    with pytest.raises(ModelError, match=r"antigravity\.fly"):
        imported(b"cantigravity\nfly\n)R.")
    assert "antigravity" not in sys.modules


class Registered:
    """A class with an extension code."""


def test_extension_codes_are_not_resolved() -> None:
    copyreg.add_extension(Registered.__module__, "Registered", 240)
    try:
        content = pickle.dumps(Registered(), 2)
    finally:
        copyreg.remove_extension(Registered.__module__, "Registered", 240)
    with pytest.raises(ModelError, match="it calls a Described"):
        read_pickle(content)


def test_every_opcode_of_python_is_known() -> None:
    codes = {ord(opcode.code) for opcode in pickletools.opcodes}
    assert codes == set(unpickle._OPERATIONS) == opcodes._BARE | set(opcodes._READERS)
    assert {ord(opcode.code) for opcode in pickletools.opcodes if opcode.arg is None} == opcodes._BARE


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 200), 1 << 200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN, st.integers(0, 5))
def test_plain_values_are_read_as_pickle_reads_them(value: Any, protocol: int) -> None:
    content = pickle.dumps({"state": value}, protocol)
    held = b"\x80\x02cm\nC\n)\x81" + _without_frame(content) + b"b."
    assert read_pickle(held).attributes == {"state": value}


def _without_frame(content: bytes) -> bytes:
    """The program of a pickle without its head and its full stop."""
    start = 0
    if content[0] == 0x80:
        start = 2
    if content[start] == 0x95:
        start += 9
    return content[start:-1]


@pytest.mark.parametrize("text", ["text", "it's", 'say "x"', "a\\b\n\r\t\x00\xff", ""])
def test_texts_of_python_2_are_read_in_either_quotes(text: str) -> None:
    quoted = repr(text.encode("latin1"))[1:].encode()  # as Python 2 writes them
    document = read_pickle(b"cm\nC\n)R}S'x'\nS" + quoted + b"\nsb.")
    assert document.attributes == {"x": text}


BIG = 1 << 40


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x80\x05\x96" + BIG.to_bytes(8, "little"), "it is cut off"),
        (b"\x80\x05\x8d" + BIG.to_bytes(8, "little"), "it is cut off"),
        (b"\x80\x05\x8e" + BIG.to_bytes(8, "little"), "it is cut off"),
        (b"\x80\x05\x95" + BIG.to_bytes(8, "little") + b"N.", "holds no estimator but a NoneType"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f.", "it is cut off"),
        (b"\x80\x02\x8b\xff\xff\x00\x00" + b"\x01" * 65_535 + b".", "a number that is too long"),
        (b"L" + b"9" * 5000 + b"\n.", "a number that is too long"),
        (b"Nr\xff\xff\xff\x7f.", "holds no estimator"),
        (b"(" * 100_000 + b"t" * 100_000 + b".", "holds no estimator but a tuple"),
        (b")" + b"2\x86" * 64 + b"Q.", "ends in outside"),
        (b"cm\nC\n)R})" + b"2\x86" * 64 + b"Nsb.", "ends in m.C"),
        (b"cm\nC\n)R}(I1\nNub.", "ends in m.C"),
        (b"\x80\x04(K\x01\x91.", "ends in builtins.set"),
        (b"cnumpy\ndtype\n)" + b"2\x86" * 64 + b"\x85R.", "an array of an unknown type"),
        (b"c_codecs\nencode\n)" + b"2\x86" * 64 + b"\x85R.", "it is broken"),
        (b"]" * 500_000 + b".", "takes more than 400,000 operations"),
        (zlib.compress(b"]" * (60 << 20)), "takes more than 400,000 operations"),
        (
            b"X" + (8 << 20).to_bytes(4, "little") + "😀".encode() * (2 << 20) + b".",
            "a text that is too long",
        ),
        (b"V" + b"x" * (2 << 20) + b"\\U0001f600\n.", "a text that is too long"),
        (zlib.compress(bytes(100 << 20)), "unpacks to more than 64 MB"),
        (bz2.compress(bytes(70 << 20)), "unpacks to more than 64 MB"),
    ],
    ids=range(21),
)
def test_a_small_file_cannot_use_much_memory_or_time(content: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        imported(content)


def test_one_large_text_cannot_be_copied_many_times() -> None:
    copies = b"c_codecs\nencode\nq\x00X" + (1 << 22).to_bytes(4, "little") + b"x" * (1 << 22) + b"q\x010"
    copies += b"h\x00h\x01\x85R" * 100 + b"."
    with pytest.raises(ModelError, match="unpacks to more than 144 MB"):
        read_pickle(copies)


def test_one_state_cannot_be_given_to_many_objects() -> None:
    content = b"cm\nC\nq\x000}(" + b"".join(b"\x8c\x05%05dN" % n for n in range(10_000)) + b"uq\x010"
    content += b"h\x00)\x81h\x01b" * 10_000 + b"."
    with pytest.raises(ModelError, match="unpacks to more than 144 MB"):
        read_pickle(content)


def test_nested_arrays_do_not_exhaust_the_stack() -> None:
    wrapper = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(S'shape'\n(I1\ntS'dtype'\n"
    wrapper += b"cnumpy\ndtype\n(S'O8'\ntRub"
    with pytest.raises(ModelError, match="holds more than 64 pickles"):
        read_pickle(wrapper * 5000)


def test_old_joblib_files_cannot_name_a_file_of_another_folder() -> None:
    content = (
        b"cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81}(S'filename'\nS'../secret.npy'\nS'allow_mmap'\nI01\nub."
    )
    with pytest.raises(ModelError, match="its arrays are in other files"):
        read_pickle(content, lambda _: pytest.fail("it was read"))


def test_the_model_of_every_shared_case_is_read() -> None:
    cases = Path(__file__).parents[4] / "shared" / "cases"
    if not cases.is_dir():
        pytest.skip(f"no cases in {cases}")
    frame_model = (cases / "dfmodels" / "model_1_1.pkl").read_bytes()
    assert model_parameters(read_pickle(frame_model)).version == "1.9.1"
    with pytest.raises(ModelError, match="expects 2 features, and a reading has one"):
        model_parameters(read_pickle((cases / "twofeatures" / "model_1_1.pkl").read_bytes()))
