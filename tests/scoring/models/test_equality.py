"""Answers are scikit-learn's: for every detector, after every transformer, on ties and at boundaries."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import OneClassSVM

from scoring.errors import ModelError
from scoring.models.detector import Detector, detector_of
from scoring.models.detector_parameters import Hyperplane, Neighbours, SupportVectors
from scoring.models.files import parameters_from
from scoring.models.normal import normal_quantiles
from scoring.models.parameter_checks import MOST_PUSHES
from scoring.models.parameters import ModelParameters
from scoring.models.transformer_parameters import Polynomial
from scoring.models.write import model_bytes

DETECTORS = {
    "svm-rbf": OneClassSVM(nu=0.1),
    "svm-linear": OneClassSVM(kernel="linear", nu=0.1),
    "svm-poly": OneClassSVM(kernel="poly", degree=2, nu=0.1),
    "svm-sigmoid": OneClassSVM(kernel="sigmoid", nu=0.1),
    "sgd": SGDOneClassSVM(random_state=0),
    "forest": IsolationForest(n_estimators=10, random_state=0),
    "forest-of-few": IsolationForest(
        n_estimators=10, max_features=0.5, contamination=0.1, bootstrap=True, random_state=0
    ),
    "envelope": EllipticEnvelope(random_state=0),
    "factor": LocalOutlierFactor(novelty=True),
    "factor-brute": LocalOutlierFactor(novelty=True, algorithm="brute"),
    "factor-ball": LocalOutlierFactor(novelty=True, algorithm="ball_tree", leaf_size=3),
    "factor-manhattan": LocalOutlierFactor(novelty=True, metric="manhattan", leaf_size=5),
    "factor-minkowski": LocalOutlierFactor(novelty=True, p=3, n_neighbors=5),
    "factor-chebyshev": LocalOutlierFactor(novelty=True, metric="chebyshev", contamination=0.05),
}
TRANSFORMERS = {
    "none": "passthrough",
    "standard": StandardScaler(),
    "standard-std": StandardScaler(with_mean=False),
    "standard-neither": StandardScaler(with_mean=False, with_std=False),
    "minmax": MinMaxScaler(feature_range=(-2, 3)),
    "minmax-clip": MinMaxScaler(clip=True),
    "maxabs": MaxAbsScaler(),
    "maxabs-clip": MaxAbsScaler(clip=True),
    "robust": RobustScaler(),
    "robust-scale": RobustScaler(with_centering=False),
    "yeo-johnson": PowerTransformer(),
    "yeo-johnson-raw": PowerTransformer(standardize=False),
    "box-cox": PowerTransformer(method="box-cox"),
    "quantile": QuantileTransformer(n_quantiles=20),
    "quantile-normal": QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    "polynomial": PolynomialFeatures(3),
    "polynomial-some": PolynomialFeatures((2, 4), include_bias=False),
    "imputer": SimpleImputer(),
    "imputer-number": SimpleImputer(missing_values=50.0),
    "pca": PCA(),
    "pca-whiten": PCA(whiten=True),
    "nystroem-rbf": Nystroem(n_components=3, gamma=0.01, random_state=0),
    "nystroem-poly": Nystroem(kernel="poly", n_components=2, degree=2, random_state=0),
    "nystroem-laplacian": Nystroem(kernel="laplacian", n_components=3, random_state=0),
    "nystroem-sigmoid": Nystroem(kernel="sigmoid", gamma=1e-4, n_components=2, random_state=0),
    "nystroem-linear": Nystroem(kernel="linear", n_components=1, random_state=0),
    "fourier": RBFSampler(n_components=5, random_state=0),
}


def readings(kind: str) -> np.ndarray:
    values = np.abs(np.random.default_rng(0).normal(50, 10, (150, 1))) + 1
    return values.round() if kind == "ties" else values


def probes(seen: np.ndarray) -> np.ndarray:
    """Values around, between, at and far from what was seen; above 0, which box-cox asks for."""
    seen = np.unique(seen)
    between = (seen[1:] + seen[:-1]) / 2
    beside = np.concatenate([np.nextafter(seen, 0), np.nextafter(seen, np.inf)])
    return np.concatenate([seen, between, beside, np.arange(1, 120, 2.5), [1e-3, 150, 500]])


def read(model: Any) -> Detector:
    return detector_of(parameters_from(model_bytes(model)))


def assert_equal(model: Any, values: np.ndarray) -> None:
    labels, scores = read(model).predict(values)
    expected = model.decision_function(values[:, None]).reshape(-1)
    near = 1e-13 * max(1.0, np.abs(expected).max())  # scores are differences, which can be next to nothing
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=near)
    assert (labels == (model.predict(values[:, None]) == -1)).all()


@pytest.mark.parametrize("kind", ["distinct", "ties"])
@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_every_pair_answers_like_scikit_learn(transformer: str, detector: str, kind: str) -> None:
    seen = readings(kind)
    model = make_pipeline(clone(TRANSFORMERS[transformer], safe=False), clone(DETECTORS[detector]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(seen)
    assert_equal(model, probes(seen[:, 0]))


@pytest.mark.parametrize("detector", [name for name in DETECTORS if name != "svm-sigmoid"])  # it has none
def test_labels_are_scikit_learns_on_both_sides_of_every_boundary(detector: str) -> None:
    model = clone(DETECTORS[detector]).fit(readings("distinct"))
    grid = np.linspace(0, 120, 400)
    labels = model.predict(grid[:, None])
    edges = []
    for low, high in zip(
        grid[:-1][labels[:-1] != labels[1:]], grid[1:][labels[:-1] != labels[1:]], strict=True
    ):
        inside, outside = low, high
        while np.nextafter(inside, outside) != outside:
            middle = inside + (outside - inside) / 2
            if middle in (inside, outside):
                break
            same = model.predict([[middle]])[0] == model.predict([[low]])[0]
            inside, outside = (middle, outside) if same else (inside, middle)
        edges += [inside, outside]
        for _ in range(20):
            edges += [np.nextafter(edges[-2], low), np.nextafter(edges[-1], high)]
    assert edges
    values = np.array(edges)
    assert (read(model).predict(values)[0] == (model.predict(values[:, None]) == -1)).all()


@pytest.mark.parametrize("features", [1, 2])
def test_a_score_of_zero_is_an_anomaly_of_a_one_class_svm_only(features: int) -> None:
    """With one feature an SVM has an evaluator of its own."""
    powers = Polynomial(1, 1, features, interaction_only=False, bias=False)
    ones = np.ones(features)
    svm = SupportVectors("linear", 1.0, 0.0, 3, ones[None, :], np.ones(1), 0.0)
    for detector, label in ((svm, 1), (Hyperplane(ones, 0.0), 0)):
        labels, scores = detector_of(ModelParameters((powers,) if features > 1 else (), detector)).predict(
            np.zeros(1)
        )
        assert (labels.tolist(), scores.tolist()) == ([label], [0.0])


@pytest.mark.parametrize("search", ["kd_tree", "ball_tree"])
@pytest.mark.parametrize("options", [{}, {"leaf_size": 7}, {"p": 3, "n_neighbors": 9}, {"n_neighbors": 60}])
def test_a_score_exactly_at_the_boundary_is_summed_up_like_scikit_learns(
    search: str, options: dict[str, Any]
) -> None:
    seen = np.random.default_rng(0).normal(50, 10, (200, 1)).round()
    factor = LocalOutlierFactor(novelty=True, algorithm=search, **options).fit(seen)
    for value in np.unique(seen):
        factor.offset_ = factor.score_samples([[value]])[0]
        assert read(factor).predict(np.array([value]))[0] == (factor.predict([[value]]) == -1), value


@pytest.mark.parametrize("count", [200, 400])
@pytest.mark.parametrize(
    "metric", ["euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev", "minkowski"]
)
def test_a_score_exactly_at_the_boundary_by_brute_force_is_that_of_more_readings_than_were_fitted(
    metric: str, count: int
) -> None:
    seen = np.random.default_rng(0).normal(50, 10, (count, 1)).round()
    factor = LocalOutlierFactor(novelty=True, algorithm="brute", metric=metric, p=3).fit(seen)
    values = np.unique(seen)
    many = np.resize(values, count + len(values))
    for offset in np.unique(factor.score_samples(many[:, None])):
        factor.offset_ = offset
        assert (read(factor).predict(many)[0] == (factor.predict(many[:, None]) == -1)).all(), offset


@pytest.mark.parametrize("search", ["kd_tree", "brute"])
@pytest.mark.parametrize("seed", range(6))
def test_a_score_exactly_at_a_boundary_far_from_zero_is_summed_up_like_scikit_learns(
    seed: int, search: str
) -> None:
    random = np.random.default_rng(seed)
    seen = np.concatenate([random.normal(50, 4, 120).round(), random.normal(50, 4, 30)])
    factor = LocalOutlierFactor(novelty=True, algorithm=search, n_neighbors=8).fit(seen[:, None])
    values = np.unique(np.concatenate([seen, random.normal(50, 4, 150)]))
    scores = factor.score_samples(values[:, None])
    far = scores < -1e5  # around equal readings the density is next to infinite
    assert far.any()
    for value, score in list(zip(values[far], scores[far], strict=True))[:20]:
        factor.offset_ = score
        assert read(factor).predict(np.array([value]))[0] == 0, value


@pytest.mark.parametrize("metric", ["euclidean", "l2", "manhattan", "l1", "cityblock", "chebyshev"])
def test_brute_force_multiplies_out_by_the_name_euclidean_only(metric: str) -> None:
    factor = LocalOutlierFactor(novelty=True, metric=metric, n_neighbors=1, contamination=0.5)
    factor.fit([[49.7], [52.07], [58.16]])
    assert_equal(factor, np.array([55.114999999999995, 53.93, 50.885, 49.7]))


@pytest.mark.parametrize("metric", ["euclidean", "l2"])
@pytest.mark.parametrize("neighbours", [1, 3, 8])
def test_readings_whose_squares_nearly_cancel_get_scikit_learns_labels(neighbours: int, metric: str) -> None:
    seen = 1e8 + np.random.default_rng(0).permutation(20) * 1e-8
    factor = LocalOutlierFactor(novelty=True, n_neighbors=neighbours, metric=metric, algorithm="brute")
    assert_equal(factor.fit(seen[:, None]), 1e8 + np.arange(-18, 38) * 1e-8)


@given(shares=st.lists(st.floats(1e-7, 1 - 1e-7), min_size=1, max_size=50))
def test_normal_quantiles_are_scipys_to_the_last_bit(shares: list[float]) -> None:
    assert normal_quantiles(np.array(shares)).tolist() == ndtri(shares).tolist()


@pytest.mark.parametrize("readings_in_order", [2_000, 20_000])
def test_a_search_that_would_take_seconds_for_each_reading_fails_the_model(readings_in_order: int) -> None:
    values = np.arange(readings_in_order, dtype=np.float64) - readings_in_order // 2
    falling = values[np.argsort(-np.abs(values))]
    densities = np.random.default_rng(0).uniform(1, 2, len(values))
    count = len(values)
    detector = detector_of(
        ModelParameters(
            (),
            Neighbours(
                readings=falling[:, None],
                densities=densities,
                distances=np.ones(count),
                search="brute",
                order=np.arange(count, dtype=np.int32),
                leaf_size=30,
                neighbours=4,
                metric="manhattan",
                p=2.0,
                offset=-1.5,
            ),
        )
    )
    probe = np.array([0.0])
    if count > MOST_PUSHES:
        with pytest.raises(ModelError, match="takes too long to choose among equally near readings"):
            detector.predict(probe)
    else:
        detector.predict(probe)


numbers = st.one_of(st.integers(-20, 20).map(float), st.floats(-1e6, 1e6), st.floats(1e-6, 1.0))


FACTORS = st.builds(
    LocalOutlierFactor,
    novelty=st.just(value=True),
    leaf_size=st.integers(1, 12),
    n_neighbors=st.integers(1, 12),
    algorithm=st.sampled_from(["auto", "kd_tree", "ball_tree", "brute"]),
    metric=st.sampled_from(["euclidean", "l2", "manhattan", "chebyshev"]),
)


@settings(deadline=None, max_examples=80)
@given(
    factor=FACTORS,
    seen=st.lists(numbers, min_size=4, max_size=80),
    values=st.lists(numbers, min_size=1, max_size=30),
)
def test_neighbours_are_scikit_learns_even_if_several_are_equally_near(
    factor: LocalOutlierFactor, seen: list[float], values: list[float]
) -> None:
    factor.set_params(n_neighbors=min(factor.n_neighbors, len(seen) - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        factor.fit(np.array(seen)[:, None])
    assert_equal(factor, np.array(values + seen))


@settings(deadline=None, max_examples=40)
@given(
    seen=st.lists(numbers, min_size=2, max_size=60),
    values=st.lists(st.one_of(numbers, st.floats(-1e300, 1e300)), min_size=1, max_size=30),
    samples=st.integers(2, 40),
    seed=st.integers(0, 1000),
    features=st.integers(1, 3),
)
def test_forests_are_scikit_learns_for_any_reading(
    seen: list[float], values: list[float], samples: int, seed: int, features: int
) -> None:
    forest = IsolationForest(n_estimators=4, max_samples=min(samples, len(seen)), random_state=seed)
    model = (
        make_pipeline(PolynomialFeatures(features, include_bias=False), forest) if features > 1 else forest
    )
    rows = np.array(seen)[:, None]
    model.fit(rows)
    edges = np.concatenate([tree.tree_.threshold for tree in forest.estimators_])
    around = np.concatenate([edges, np.float32(edges), np.nextafter(np.float32(edges), np.float32(np.inf))])
    with np.errstate(all="ignore"):
        if features == 1:
            assert_equal(model, np.concatenate([values, seen, around]))
        else:
            assert_equal(model, np.clip(np.concatenate([values, seen]), -1e30, 1e30))


@settings(deadline=None, max_examples=60)
@given(
    name=st.sampled_from(sorted(TRANSFORMERS)),
    seen=st.lists(st.floats(0.01, 1e4), min_size=5, max_size=40, unique=True),
    values=st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=20),
)
def test_transformers_do_to_any_reading_what_scikit_learns_do(
    name: str, seen: list[float], values: list[float]
) -> None:
    model = make_pipeline(
        clone(TRANSFORMERS[name], safe=False), SGDOneClassSVM(random_state=0, max_iter=5, tol=None)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(np.array(seen)[:, None])
        except ValueError:  # what cannot be fitted is not saved
            return
    with np.errstate(all="ignore"):
        assert_equal(model, np.array(values + seen))


@pytest.mark.parametrize("value", [1e308, -1e308, 1e200, -1e200])
@pytest.mark.parametrize("detector", DETECTORS)
def test_a_reading_too_large_for_arithmetic_is_an_anomaly_or_gets_scikit_learns_label(
    detector: str, value: float
) -> None:
    model = make_pipeline(clone(TRANSFORMERS["yeo-johnson"]), clone(DETECTORS[detector])).fit(
        readings("distinct")
    )
    labels, scores = read(model).predict(np.array([50.0, value]))
    assert not np.isnan(scores).any()
    with np.errstate(all="ignore"):
        try:
            assert labels[1] == (model.predict([[value]])[0] == -1)
        except ValueError:
            assert (labels[1], scores[1]) == (1, -np.inf)


def test_a_reading_that_a_transformer_cannot_take_is_an_anomaly_and_the_others_are_scored() -> None:
    model = make_pipeline(PowerTransformer(method="box-cox"), EllipticEnvelope(random_state=0))
    model.fit(readings("distinct"))
    labels, scores = read(model).predict(np.array([50.0, -1.0, 0.0, 55.0]))
    assert labels.tolist() == [0, 1, 1, 0]
    assert scores[[1, 2]].tolist() == [-np.inf, -np.inf]
    np.testing.assert_allclose(scores[[0, 3]], model.decision_function([[50.0], [55.0]]), rtol=1e-9)
