"""Models from files: the common one from its numbers, the others through scikit-learn, bad ones refused."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.sparse import csr_matrix
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, OneClassSVM

from scoring import SensorKey
from scoring.errors import ModelError, ModelMissing, ModelRefused
from scoring.estimators import EstimatorDetector
from scoring.models.files import list_models, load_model, save_model
from scoring.models.store import write_pack
from scoring.models.skops import read_parameters
from scoring.models.svm import SvmDetector

KEY = SensorKey("1", "3")
ROOT = Path(__file__).resolve().parents[2]


def readings(features: int = 1) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 10, (120, features))


def common(**options: Any) -> Any:
    return make_pipeline(StandardScaler(), OneClassSVM(nu=0.1, gamma=0.3, **options)).fit(readings())


def schema_of(content: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read("schema.json"))


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """The same model with another schema."""
    schema = schema_of(content)
    change(schema)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w") as target:
        for name in archive.namelist():
            data = json.dumps(schema).encode() if name == "schema.json" else archive.read(name)
            target.writestr(name, data)
    return out.getvalue()


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


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), SGDOneClassSVM(random_state=0)),
        make_pipeline(RobustScaler(), IsolationForest(n_estimators=5, random_state=0)),
        LocalOutlierFactor(novelty=True),
        LocalOutlierFactor(novelty=True, algorithm="ball_tree"),
        LocalOutlierFactor(novelty=True, algorithm="brute"),
        LocalOutlierFactor(novelty=True, metric="chebyshev"),
        EllipticEnvelope(random_state=0),
        make_pipeline(MinMaxScaler(), OneClassSVM()),
        make_pipeline(StandardScaler(), PCA(), OneClassSVM()),
        make_pipeline(StandardScaler(), Nystroem(n_components=5, random_state=0), SGDOneClassSVM()),
    ],
    ids=[
        "sgd",
        "forest",
        "lof",
        "lof-ball",
        "lof-brute",
        "chebyshev",
        "envelope",
        "minmax",
        "pca",
        "nystroem",
    ],
)
def test_every_other_detector_answers_through_scikit_learn_itself(tmp_path: Path, estimator: Any) -> None:
    estimator.fit(readings())
    save_model(estimator, tmp_path, KEY)
    detector = load_model(tmp_path, KEY).detector
    assert isinstance(detector, EstimatorDetector)
    values = np.random.default_rng(1).normal(50, 30, 300)
    labels, scores = detector.predict(values)
    assert (labels == (estimator.predict(values[:, None]) == -1)).all()
    assert (scores == estimator.decision_function(values[:, None])).all()


def test_the_same_estimator_gives_the_same_bytes(tmp_path: Path) -> None:
    first = save_model(common(), tmp_path / "a", KEY).read_bytes()
    assert save_model(common(), tmp_path / "b", KEY).read_bytes() == first


def test_what_skops_itself_saved_is_read_too(tmp_path: Path) -> None:
    skops.io.dump(common(), tmp_path / KEY.model_name)
    assert isinstance(load_model(tmp_path, KEY).detector, SvmDetector)


def test_the_common_model_needs_neither_scikit_learn_nor_skops(tmp_path: Path) -> None:
    save_model(common(), tmp_path, KEY)
    code = (
        "import sys, pathlib; from scoring import SensorKey; from scoring.models.files import load_model\n"
        "load_model(pathlib.Path(sys.argv[1]), SensorKey('1', '3'))\n"
        "print([name for name in ('sklearn', 'skops', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda schema: schema.update(protocol=3), "another protocol"),
        (lambda schema: schema.update(__class__="FeatureUnion"), "another class"),
        (lambda schema: schema["content"]["content"].pop("steps"), "no steps"),
        (lambda schema: schema["content"]["content"]["steps"]["content"].reverse(), "another order"),
        (lambda schema: schema.update(content=7), "a number for content"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_the_common_model_to_the_letter_is_left_to_the_audit(
    tmp_path: Path, change: Callable[[Any], None], why: str
) -> None:
    content = save_model(common(), tmp_path, KEY).read_bytes()
    assert read_parameters(content) is not None
    assert read_parameters(changed(content, change)) is None, why


def test_a_model_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"there is no model_1_3\.skops: train or upload it"):
        load_model(tmp_path, KEY)


def test_what_is_no_file_that_can_be_read_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model_1_1.skops").symlink_to("model_1_1.skops")
    (tmp_path / "model_1_2.skops").mkdir()
    os.mkfifo(tmp_path / "model_1_3.skops")
    for sensor, reason in (("1", "symbolic links"), ("2", "directory"), ("3", "a folder or the like")):
        with pytest.raises(ModelError, match=reason):
            load_model(tmp_path, SensorKey("1", sensor))
    save_model(common(), tmp_path, SensorKey("1", "4"))
    report = write_pack(tmp_path)
    assert (report.svm, report.refused) == (1, 3)


def test_functions_are_refused_and_all_offending_types_are_named(tmp_path: Path) -> None:
    save_model(
        make_pipeline(FunctionTransformer(np.log1p), OneClassSVM()).fit(abs(readings())), tmp_path, KEY
    )
    with pytest.raises(ModelRefused, match=r"numpy\.log1p, sklearn\.preprocessing\._function_transformer"):
        load_model(tmp_path, KEY)


def test_an_estimator_that_is_no_outlier_detector_is_refused_by_name(tmp_path: Path) -> None:
    save_model(SVC().fit(readings(), np.arange(120) % 2), tmp_path, KEY)
    with pytest.raises(ModelRefused, match=r"sklearn\.svm\._classes\.SVC"):
        load_model(tmp_path, KEY)


def test_a_local_outlier_factor_that_cannot_predict_is_refused(tmp_path: Path) -> None:
    save_model(LocalOutlierFactor().fit(readings()), tmp_path, KEY)
    with pytest.raises(ModelRefused, match="without novelty=True"):
        load_model(tmp_path, KEY)


def test_a_model_of_two_features_says_that_a_reading_has_one(tmp_path: Path) -> None:
    save_model(make_pipeline(StandardScaler(), OneClassSVM()).fit(readings(2)), tmp_path, KEY)
    with pytest.raises(ModelError, match="expects 2 features, and a reading has one"):
        load_model(tmp_path, KEY)


def test_a_parameter_that_is_not_a_number_fails_the_model_on_both_ways(tmp_path: Path) -> None:
    model = common()
    model[0].mean_[:] = np.nan
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelError, match="not a finite number"):
        load_model(tmp_path, KEY)
    forest = make_pipeline(MinMaxScaler(), OneClassSVM()).fit(readings())
    forest[0].min_[:] = np.nan
    save_model(forest, tmp_path, KEY)
    with pytest.raises(ModelError, match="refuses to predict"):
        load_model(tmp_path, KEY).detector.predict(np.array([1.0]))


def test_a_tree_that_leads_nowhere_is_refused_before_compiled_code_walks_it(tmp_path: Path) -> None:
    forest = IsolationForest(n_estimators=2, random_state=0).fit(readings())
    forest.estimators_[0].tree_.children_left[0] = 10_000
    save_model(forest, tmp_path, KEY)
    with pytest.raises(ModelError, match=r"leads? nowhere|cannot be loaded"):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize("algorithm", ["kd_tree", "ball_tree"])
@pytest.mark.parametrize("what", ["indexes", "nodes"])
def test_a_tree_of_neighbours_is_grown_anew_whatever_the_file_says_of_it(
    tmp_path: Path, algorithm: str, what: str
) -> None:
    honest = LocalOutlierFactor(novelty=True, algorithm=algorithm, leaf_size=5).fit(readings())
    tampered = LocalOutlierFactor(novelty=True, algorithm=algorithm, leaf_size=5).fit(readings())
    state = list(tampered._tree.__getstate__())
    indexes, nodes = state[1].copy(), state[2].copy()
    if what == "indexes":
        indexes[:] = 1 << 50
    else:
        nodes["idx_end"] = 1 << 50
    state[1], state[2] = indexes, nodes
    tampered._tree.__setstate__(tuple(state))
    save_model(tampered, tmp_path, KEY)
    values = np.linspace(0, 100, 50)
    labels, scores = load_model(tmp_path, KEY).detector.predict(values)
    assert (labels == (honest.predict(values[:, None]) == -1)).all()
    assert (scores == honest.decision_function(values[:, None])).all()


def test_a_kernel_that_is_computed_before_is_refused(tmp_path: Path) -> None:
    model = OneClassSVM(kernel="precomputed").fit(np.eye(1))
    model.support_[:] = 1 << 30
    model.support_vectors_ = np.ones((1, 1))
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelRefused, match="do not fit"):
        load_model(tmp_path, KEY)


def test_splines_whose_knots_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = make_pipeline(SplineTransformer(n_knots=3), OneClassSVM()).fit(readings())
    model[0].bsplines_[0].k = 100_000
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(tmp_path, KEY)


def test_sparse_numbers_are_refused_as_compiled_code_follows_their_indexes(tmp_path: Path) -> None:
    model = make_pipeline(Nystroem(n_components=5, random_state=0), SGDOneClassSVM()).fit(readings())
    model[0].components_ = csr_matrix(model[0].components_)
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelRefused, match="csr_matrix"):
        load_model(tmp_path, KEY)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline("passthrough", OneClassSVM()),
        make_pipeline(make_pipeline(MinMaxScaler(), "passthrough"), OneClassSVM()),
        make_pipeline(SplineTransformer(n_knots=3), OneClassSVM()),
    ],
    ids=["passthrough", "nested", "splines"],
)
def test_less_common_pipelines_that_were_fitted_to_a_table_answer_as_well(
    tmp_path: Path, estimator: Any
) -> None:
    estimator.fit(pd.DataFrame({"Value": readings()[:, 0]}))
    save_model(estimator, tmp_path, KEY)
    values = np.linspace(0, 100, 50)
    scores = load_model(tmp_path, KEY).detector.predict(values)[1]
    assert (scores == estimator.decision_function(pd.DataFrame({"Value": values}))).all()


@pytest.mark.parametrize("name", ["support_", "_dual_coef_", "_intercept_", "_n_support"])
def test_arrays_that_do_not_fit_are_refused_before_compiled_code_copies_them(
    tmp_path: Path, name: str
) -> None:
    model = make_pipeline(MinMaxScaler(), OneClassSVM()).fit(readings())
    setattr(model[1], name, np.ones(100_000, np.int32))
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelRefused, match="do not fit"):
        load_model(tmp_path, KEY)


def test_a_model_that_answers_in_another_shape_fails(tmp_path: Path) -> None:
    model = IsolationForest(n_estimators=2, random_state=0).fit(readings())
    model.offset_ = np.ones(2)
    save_model(model, tmp_path, KEY)
    with pytest.raises(ModelError, match="one label and one score a reading"):
        load_model(tmp_path, KEY).detector.predict(np.array([1.0]))


def test_other_files_in_the_folder_are_no_models(tmp_path: Path) -> None:
    save_model(common(), tmp_path, KEY)
    for name in ("model_1.skops", "model_%31_3.skops", "notes.txt", "model_1_2_3.skops"):
        (tmp_path / name).touch()
    assert list(list_models(tmp_path)) == [KEY]
