"""One reading that a model cannot take is an anomaly, and not in the way of the others."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import SGDOneClassSVM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer, RobustScaler, StandardScaler
from sklearn.svm import OneClassSVM

from scoring.errors import ModelError
from scoring.estimators import EstimatorDetector
from scoring.isolate import answerable

NORMAL = np.random.default_rng(0).normal(0.5, 0.1, (200, 1))

HUGE = [
    (make_pipeline(RobustScaler(), OneClassSVM()), 1.79e308),
    (make_pipeline(StandardScaler(), SGDOneClassSVM(random_state=0)), -1.79e308),
    (make_pipeline(PowerTransformer(), OneClassSVM()), 1e308),
    (make_pipeline(PowerTransformer("box-cox"), OneClassSVM()), -1.0),
]


@pytest.fixture(params=HUGE, ids=["robust", "gradient", "power", "box-cox"])
def model_and_huge(request: pytest.FixtureRequest) -> tuple[Any, float]:
    model, huge = request.param
    return model.fit(NORMAL), huge


@pytest.mark.parametrize("place", [0, 20, 50])
def test_a_reading_too_far_out_is_an_anomaly_and_the_others_have_scikit_learns_own_answer(
    model_and_huge: tuple[Any, float], place: int
) -> None:
    model, huge = model_and_huge
    normal = NORMAL[:50]
    labels, scores = EstimatorDetector(model).predict(np.insert(normal.ravel(), place, huge))
    assert (labels[place], scores[place]) == (1, -np.inf)
    assert np.delete(labels, place).tolist() == (model.predict(normal) == -1).tolist()
    np.testing.assert_array_equal(np.delete(scores, place), model.decision_function(normal))


def test_a_reading_too_far_out_is_an_anomaly_also_where_it_is_the_only_one(
    model_and_huge: tuple[Any, float],
) -> None:
    model, huge = model_and_huge
    labels, scores = EstimatorDetector(model).predict(np.array([huge]))
    assert (labels.tolist(), scores.tolist()) == ([1], [-np.inf])


def test_a_model_that_refuses_ordinary_readings_fails_its_sensor() -> None:
    broken = make_pipeline(StandardScaler(), OneClassSVM()).fit(NORMAL)
    broken[-1].intercept_ = broken[-1]._intercept_ = np.array([np.nan])
    with pytest.raises(ModelError):
        EstimatorDetector(broken).predict(np.array([0.5, 1e308]))


def test_a_model_that_refuses_readings_among_those_it_takes_fails_its_sensor() -> None:
    model = make_pipeline(OneHotEncoder(sparse_output=False), OneClassSVM()).fit([[1.0], [2.0], [4.0]])
    with pytest.raises(ModelError, match="refuses to predict"):
        EstimatorDetector(model).predict(np.array([1.0, 3.0, 4.0]))


@given(
    st.lists(st.floats(-100, 100), min_size=1, max_size=50),
    st.floats(-100, 1),
    st.floats(1, 100),
)
def test_just_the_readings_between_the_bounds_are_found(values: list[float], low: float, high: float) -> None:
    readings = np.array(values)
    expected = (readings >= low) & (readings <= high)
    found = answerable(readings, lambda some: bool(((some >= low) & (some <= high)).all()))
    assert found is not None
    assert found.tolist() == expected.tolist()
