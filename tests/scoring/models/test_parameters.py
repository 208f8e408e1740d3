"""Parameters are checked when they are created: invalid ones never reach an evaluator."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring.errors import ModelError
from scoring.models.detector_parameters import Forest, Neighbours, SupportVectors
from scoring.models.encoding import decode, encode
from scoring.models.files import parameters_from
from scoring.models.parameters import ModelParameters
from scoring.models.transformer_parameters import Polynomial, Scaling
from scoring.models.write import model_bytes


def read(estimator: Any) -> ModelParameters:
    return parameters_from(model_bytes(estimator.fit(np.random.default_rng(0).normal(50, 10, (60, 1)))))


SVM = read(make_pipeline(StandardScaler(), OneClassSVM()))
FOREST = read(IsolationForest(n_estimators=3, random_state=0))
FACTOR = read(LocalOutlierFactor(novelty=True, leaf_size=5))


def with_numbers(array: np.ndarray, place: int, value: float) -> np.ndarray:
    changed = array.copy()
    changed.reshape(-1)[place] = value
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": "precomputed"}, "kernel 'precomputed' is not one of linear, poly, rbf, sigmoid"),
        ({"dual": np.array([1.0])}, r"dual_coef_ has the shape \(1,\)"),
        ({"vectors": np.zeros((0, 1))}, "support_vectors_ has the shape"),
        ({"vectors": np.zeros((5, 0))}, "support_vectors_ has the shape"),
        ({"vectors": np.zeros(5)}, "support_vectors_ has the shape"),
        ({"gamma": -1.0}, "gamma -1.0 is below 0"),
        ({"gamma": np.nan}, "not a finite number"),
        ({"intercept": np.inf}, "not a finite number"),
        ({"degree": -1}, "degree -1 is out of range"),
        ({"degree": 1 << 40}, "out of range"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_support_vectors_that_cannot_be_a_fitted_model_are_refused(
    change: dict[str, Any], message: str
) -> None:
    assert isinstance(SVM.detector, SupportVectors)
    with pytest.raises(ModelError, match=message):
        replace(SVM.detector, **change)


def test_a_scale_of_zero_is_refused() -> None:
    scaling = SVM.transformers[0]
    assert isinstance(scaling, Scaling)
    with pytest.raises(ModelError, match="scale is 0"):
        replace(scaling, scale=np.zeros(1))


@pytest.mark.parametrize("name", ["left", "right", "feature", "sizes", "numbers"])
@pytest.mark.parametrize("value", [-(1 << 31), -2, 0, 1 << 20, (1 << 31) - 1])
def test_no_index_in_a_forest_leads_out_of_it_or_back(name: str, value: int) -> None:
    assert isinstance(FOREST.detector, Forest)
    array = getattr(FOREST.detector, name)
    if name == "numbers":
        with pytest.raises(ModelError, match="not a finite number"):
            replace(FOREST.detector, numbers=with_numbers(array, 0, np.nan))
    elif (name, value) != ("feature", 0):
        with pytest.raises(ModelError, match=r"nowhere|without nodes|has the shape"):
            replace(FOREST.detector, **{name: with_numbers(array, 0, value)})  # type: ignore[arg-type]


def test_a_node_with_two_parents_is_refused() -> None:
    assert isinstance(FOREST.detector, Forest)
    left = with_numbers(FOREST.detector.left, 0, int(FOREST.detector.right[0]))
    with pytest.raises(ModelError, match="lead nowhere"):
        replace(FOREST.detector, left=left)


@pytest.mark.parametrize(
    "change",
    [
        {"neighbours": 0},
        {"neighbours": 61},
        {"leaf_size": 0},
        {"order": np.zeros(60, np.int32)},
        {"order": np.arange(1, 61, dtype=np.int32)},
        {"order": np.arange(-1, 59, dtype=np.int32)},
        {"order": np.full(60, (1 << 31) - 1, np.int32)},
        {"densities": np.ones(59)},
        {"distances": np.ones(61)},
        {"metric": "cosine"},
        {"p": 0.5},
        {"p": np.nan},
        {"offset": np.inf},
        {"search": "magic"},
    ],
    ids=lambda change: "-".join(map(str, change)),
)
def test_a_local_outlier_factor_whose_parts_do_not_go_together_is_refused(change: dict[str, Any]) -> None:
    assert isinstance(FACTOR.detector, Neighbours)
    with pytest.raises(ModelError):
        replace(FACTOR.detector, **change)


@pytest.mark.parametrize(("features", "degree"), [(1, 5_000), (1, 1 << 40), (20, 5), (1, -1)])
def test_polynomials_of_too_many_features_are_refused(features: int, degree: int) -> None:
    with pytest.raises(ModelError, match="PolynomialFeatures"):
        Polynomial(features, 0, degree, interaction_only=False, bias=True)


@pytest.mark.parametrize("model", [SVM, FOREST, FACTOR], ids=["svm", "forest", "lof"])
def test_parameters_come_back_from_a_pack_as_they_were(model: ModelParameters) -> None:
    form, numbers = encode(model)
    assert encode(decode(form, numbers)) == (form, numbers)


@pytest.mark.parametrize(
    "change",
    [
        ('"kind":"ModelParameters"', '"kind":"Scaling"'),
        ('"kind":"SupportVectors"', '"kind":"Scaling"'),
        ('"kind":"SupportVectors"', '"kind":"OneClassSVM"'),
        ('"clip":false', '"clip":0'),
        ('"clip":false', '"clip":[]'),
        ('"degree":3', '"degree":3.5'),
        ('"degree":3', '"degree":true'),
        ('"degree":3', '"degree":{"float":[]}'),
        ('"gamma":{"float":[]}', '"gamma":{"int":[]}'),
        ('"gamma":{"float":[]}', '"gamma":1'),
        ('"gamma":{"float":[]}', '"gamma":{"float":[1]}'),
        ('"center":{"float":[1]}', '"center":{"float":[-1]}'),
        ('"center":{"float":[1]}', '"center":{"float":[1099511627776]}'),
        ('"center":{"float":[1]}', '"center":{"float":["1"]}'),
        ('"center":{"float":[1]}', '"center":{"float":1}'),
        ('"center":{"float":[1]}', '"center":{"object":[1]}'),
        ('"center":{"float":[1]}', '"center":' + "[" * 5000 + "]" * 5000),
        ('"transformers":[', '"transformers":[1,'),
        ('"features_in":1', '"features_in":null'),
        ("{", ""),
    ],
    ids=lambda change: change[1][:40],
)
def test_a_form_that_is_not_one_of_a_model_is_refused(change: tuple[str, str]) -> None:
    form, numbers = encode(SVM)
    assert change[0] in form
    with pytest.raises(ModelError):
        decode(form.replace(change[0], change[1], 1), numbers)
    with pytest.raises(ModelError, match="pack the models again"):
        decode(form, numbers[:-8])
