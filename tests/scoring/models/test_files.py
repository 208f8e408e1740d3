"""Models from files: read as data, and refused by name where they are not supported."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.sparse import csr_matrix
from scipy.spatial.distance import canberra
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, OneClassSVM

from scoring import SensorKey
from scoring.errors import ModelError, ModelMissing, ModelRefused
from scoring.models.files import load_model
from scoring.models.pack_writer import write_pack
from scoring.models.store import ModelStore
from scoring.models.svm import SvmDetector
from scoring.models.write import save_model

KEY = SensorKey("1", "3")
ROOT = Path(__file__).resolve().parents[3]


def readings(features: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 10, (120, features))


def common(**options: Any) -> Any:
    return make_pipeline(StandardScaler(), OneClassSVM(nu=0.1, gamma=0.3, **options)).fit(readings())


@pytest.mark.parametrize(
    "estimator",
    [
        OneClassSVM(gamma="auto"),
        make_pipeline(StandardScaler(with_mean=False), OneClassSVM(kernel="linear")),
        make_pipeline(StandardScaler(with_std=False), OneClassSVM(kernel="poly", degree=2)),
        make_pipeline(OneClassSVM(kernel="sigmoid")),
    ],
    ids=["bare", "no-mean", "no-std", "pipeline-of-one"],
)
def test_the_common_model_is_read_from_its_numbers_and_answers_like_scikit_learn(
    tmp_path: Path, estimator: Any
) -> None:
    estimator.fit(readings())
    save_model(estimator, tmp_path, KEY)
    detector = load_model(tmp_path, KEY).detector
    assert isinstance(detector, SvmDetector)
    values = np.random.default_rng(1).normal(50, 30, 500)
    labels, scores = detector.predict(values)
    assert (labels == (estimator.predict(values[:, None]) == -1)).all()
    np.testing.assert_allclose(scores, estimator.decision_function(values[:, None]), rtol=1e-9, atol=0)


def test_the_same_estimator_gives_the_same_bytes(tmp_path: Path) -> None:
    first = save_model(common(), tmp_path / "a", KEY).read_bytes()
    assert save_model(common(), tmp_path / "b", KEY).read_bytes() == first


def test_what_skops_itself_saved_is_read_too(tmp_path: Path) -> None:
    skops.io.dump(common(), tmp_path / KEY.model_name)
    assert isinstance(load_model(tmp_path, KEY).detector, SvmDetector)


@pytest.mark.parametrize(
    "name", ["OneClassSVM", "IsolationForest", "LocalOutlierFactor", "QuantileTransformer"]
)
def test_scoring_needs_neither_scikit_learn_nor_its_dependencies(tmp_path: Path, name: str) -> None:
    models = {
        "OneClassSVM": common(),
        "IsolationForest": IsolationForest(n_estimators=3).fit(readings()),
        "LocalOutlierFactor": LocalOutlierFactor(novelty=True).fit(readings()),
        "QuantileTransformer": make_pipeline(
            QuantileTransformer(n_quantiles=9, output_distribution="normal"), EllipticEnvelope()
        ).fit(readings()),
    }
    save_model(models[name], tmp_path, KEY)
    data = tmp_path / "data.csv"
    data.write_text("TS,Device,Sensor,Value\n" + "2024-01-01,1,3,50\n2024-01-02,1,3,51\n" * 20)
    code = (
        "import sys; from scoring.cli import main\n"
        "assert main(['score', '--data', sys.argv[1], '--models', sys.argv[2], '--out', sys.argv[3]]) == 0\n"
        "print([name for name in ('sklearn', 'skops', 'scipy', 'pandas', 'joblib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(data), str(tmp_path), str(tmp_path / "out")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_model_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"there is no model_1_3\.skops: train or upload it"):
        load_model(tmp_path, KEY)


def test_an_unreadable_file_is_not_a_model(tmp_path: Path) -> None:
    (tmp_path / "model_1_1.skops").symlink_to("model_1_1.skops")
    (tmp_path / "model_1_2.skops").mkdir()
    os.mkfifo(tmp_path / "model_1_3.skops")
    for sensor, reason in (("1", "symbolic links"), ("2", "directory"), ("3", "a folder or the like")):
        with pytest.raises(ModelError, match=reason):
            load_model(tmp_path, SensorKey("1", sensor))
    save_model(common(), tmp_path, SensorKey("1", "4"))
    report = write_pack(tmp_path)
    assert (report.packed, len(report.refused)) == (1, 3)


def test_what_is_not_supported_is_refused_by_name_with_what_is(tmp_path: Path) -> None:
    model = make_pipeline(
        FunctionTransformer(np.log1p), StandardScaler(), SplineTransformer(n_knots=3), OneClassSVM()
    )
    save_model(model.fit(abs(readings())), tmp_path, KEY)
    with pytest.raises(
        ModelRefused,
        match=r"^model_1_3\.skops: has sklearn\.preprocessing\._function_transformer\.FunctionTransformer, "
        r"sklearn\.preprocessing\._polynomial\.SplineTransformer before its detector: supported are "
        r"MaxAbsScaler, .*; train it again with one of them \(docs/models\.md\) \(saved by scikit-learn 1\.",
    ):
        load_model(tmp_path, KEY)


def test_an_estimator_that_is_not_an_outlier_detector_is_refused_by_name(tmp_path: Path) -> None:
    save_model(SVC().fit(readings(), np.arange(120) % 2), tmp_path, KEY)
    with pytest.raises(
        ModelRefused, match=r"ends in sklearn\.svm\._classes\.SVC.*supported are EllipticEnvelope"
    ):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (LocalOutlierFactor(), "without novelty=True"),
        (LocalOutlierFactor(novelty=True, metric="canberra"), "a metric of its own"),
        (LocalOutlierFactor(novelty=True, metric=canberra), "a metric of its own"),
        (EllipticEnvelope(store_precision=False), "store_precision"),
        (make_pipeline(SimpleImputer(add_indicator=True), OneClassSVM()), "add_indicator"),
        (
            make_pipeline(Nystroem(kernel=canberra, n_components=3), OneClassSVM()),
            "with the kernel .*canberra",
        ),
        (
            make_pipeline(Nystroem(kernel="chi2", n_components=3), OneClassSVM()),
            "the kernel of a Nystroem is",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_predict_or_is_computed_by_a_function_is_refused(
    tmp_path: Path, estimator: Any, why: str
) -> None:
    save_model(estimator.fit(readings()), tmp_path, KEY)
    with pytest.raises(ModelError, match=why):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), OneClassSVM()),
        OneClassSVM(),
        IsolationForest(n_estimators=2),
        LocalOutlierFactor(novelty=True),
        EllipticEnvelope(),
        SGDOneClassSVM(),
        make_pipeline(PCA(n_components=1), IsolationForest(n_estimators=2)),
    ],
    ids=["scaler", "svm", "forest", "lof", "envelope", "sgd", "pca"],
)
def test_a_model_of_two_features_says_that_a_reading_has_one(tmp_path: Path, estimator: Any) -> None:
    save_model(estimator.fit(readings(2)), tmp_path, KEY)
    with pytest.raises(ModelError, match=r"model_1_3\.skops: expects 2 features, and a reading has one"):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_parameter_that_is_not_a_finite_number_fails_the_model(tmp_path: Path, number: float) -> None:
    for model in (common(), make_pipeline(MinMaxScaler(), OneClassSVM()).fit(readings())):
        model[0].scale_[:] = number
        save_model(model, tmp_path, KEY)
        with pytest.raises(ModelError, match=r"scale_? holds what is not a finite number"):
            load_model(tmp_path, KEY)


def test_a_tree_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    forest = IsolationForest(n_estimators=2, random_state=0).fit(readings())
    forest.estimators_[0].tree_.children_left[0] = 10_000
    save_model(forest, tmp_path, KEY)
    with pytest.raises(ModelError, match=r"leads? nowhere"):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
def test_a_tree_of_neighbours_that_does_not_go_with_its_readings_is_refused(
    tmp_path: Path, algorithm: str
) -> None:
    tampered = LocalOutlierFactor(novelty=True, algorithm=algorithm, leaf_size=5).fit(readings())
    state = list(tampered._tree.__getstate__())
    state[1] = np.full_like(state[1], 1 << 50)
    tampered._tree.__setstate__(tuple(state))
    save_model(tampered, tmp_path, KEY)
    with pytest.raises(ModelError, match="holds a tree that does not match its readings"):
        load_model(tmp_path, KEY)


def test_a_kernel_that_is_computed_before_is_refused(tmp_path: Path) -> None:
    save_model(OneClassSVM(kernel="precomputed").fit(np.eye(1)), tmp_path, KEY)
    with pytest.raises(ModelRefused, match="a kernel of its own"):
        load_model(tmp_path, KEY)


def test_sparse_numbers_are_refused(tmp_path: Path) -> None:
    model = make_pipeline(Nystroem(n_components=5, random_state=0), SGDOneClassSVM()).fit(readings())
    model[0].components_ = csr_matrix(model[0].components_)
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelError, match="components_ of its Nystroem is not an array of numbers"):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline("passthrough", OneClassSVM()),
        make_pipeline(make_pipeline(MinMaxScaler(), "passthrough"), OneClassSVM()),
        make_pipeline(None, IsolationForest(n_estimators=3)),
    ],
    ids=["passthrough", "nested", "none"],
)
def test_pipelines_in_pipelines_that_were_fitted_to_a_table_answer_alike(
    tmp_path: Path, estimator: Any
) -> None:
    estimator.fit(pd.DataFrame({"Value": readings()[:, 0]}))
    save_model(estimator, tmp_path, KEY)
    values = np.linspace(0, 100, 50)
    scores = load_model(tmp_path, KEY).detector.predict(values)[1]
    expected = estimator.decision_function(pd.DataFrame({"Value": values}))
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-15)


def test_nested_pipelines_are_read_to_a_fixed_depth(tmp_path: Path) -> None:
    model = OneClassSVM()
    for _ in range(6):
        model = make_pipeline(model)
    save_model(model.fit(readings()), tmp_path, KEY)
    with pytest.raises(ModelRefused, match=r"nests pipelines more than 5 deep"):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize("name", ["_dual_coef_", "_intercept_", "support_vectors_"])
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    model = make_pipeline(MinMaxScaler(), OneClassSVM()).fit(readings())
    setattr(model[1], name, np.ones(100_000, np.int32))
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelError, match=r"model_1_3\.skops: "):
        load_model(tmp_path, KEY)


def test_attributes_that_prediction_does_not_need_are_not_read(tmp_path: Path) -> None:
    model = common()
    model[1].support_ = np.full(3, 1 << 30)
    model[1].note = "x" * 100_000
    model[1].feature_names_in_ = np.array(["Value"], object)
    model[0].var_[:] = np.nan
    save_model(model, tmp_path, KEY)
    assert load_model(tmp_path, KEY).detector.predict(np.array([50.0]))[0].tolist() == [0]


def test_other_files_in_the_folder_are_not_models(tmp_path: Path) -> None:
    save_model(common(), tmp_path, KEY)
    for name in ("model_1.skops", "model_%31_3.skops", "notes.txt", "model_1_2_3.skops"):
        (tmp_path / name).touch()
    assert sorted(ModelStore(tmp_path).keys()) == [KEY]
