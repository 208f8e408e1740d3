"""The direct computation against scikit-learn itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from scoring.models.svm import SvmDetector, SvmParameters, predict_together

KERNELS = ["rbf", "linear", "poly", "sigmoid"]


def fitted(kernel: str, *, nu: float = 0.05, n: int = 200, seed: int = 0) -> Pipeline:
    readings = np.random.default_rng(seed).normal(50, 10, (n, 1))
    svm = OneClassSVM(kernel=kernel, nu=nu, gamma=0.3, coef0=0.4, degree=3)
    return make_pipeline(StandardScaler(), svm).fit(readings)


def parameters_of(model: Pipeline) -> SvmParameters:
    scaler, svm = model[0], model[1]
    return SvmParameters(
        mean=float(scaler.mean_[0]),
        scale=float(scaler.scale_[0]),
        kernel=svm.kernel,
        gamma=float(svm._gamma),
        coef0=float(svm.coef0),
        degree=svm.degree,
        support=svm.support_vectors_[:, 0].copy(),
        dual=svm.dual_coef_[0].copy(),
        intercept=float(svm.intercept_[0]),
    )


def boundary(model: Pipeline, inside: float, outside: float) -> np.ndarray:
    """Neighbouring floats around the place where scikit-learn's label changes."""
    while np.nextafter(inside, outside) not in (inside, outside):
        middle = (inside + outside) / 2
        if middle in (inside, outside):
            break
        if model.predict([[middle]])[0] == 1:
            inside = middle
        else:
            outside = middle
    around = [inside]
    for direction in (-np.inf, np.inf):
        x = inside
        for _ in range(200):
            x = np.nextafter(x, direction)
            around.append(x)
    return np.array(around)


@pytest.mark.parametrize("kernel", KERNELS)
def test_labels_are_scikit_learns_and_scores_agree_to_nine_digits(kernel: str) -> None:
    model = fitted(kernel)
    values = np.random.default_rng(1).normal(50, 25, 5000)
    labels, scores = SvmDetector(parameters_of(model)).predict(values)
    expected = model.decision_function(values[:, None])
    assert (labels == (model.predict(values[:, None]) == -1)).all()
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("kernel", "outside"), [("rbf", -60.0), ("rbf", 200.0), ("linear", 200.0), ("sigmoid", 200.0)]
)
def test_labels_and_scores_are_bit_equal_in_the_last_places_around_the_boundary(
    kernel: str, outside: float
) -> None:
    model = fitted(kernel, nu=0.2)
    rows = np.linspace(-50, 250, 3000)
    normal = rows[model.predict(rows[:, None]) == 1]
    outside = outside if model.predict([[outside]])[0] == -1 else -outside
    values = boundary(model, float(normal[0]), outside)
    labels, scores = SvmDetector(parameters_of(model)).predict(values)
    assert set(labels.tolist()) == {0, 1}
    assert (labels == (model.predict(values[:, None]) == -1)).all()
    assert (scores == model.decision_function(values[:, None])).all()


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.sampled_from(KERNELS),
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50),
    seed=st.integers(0, 5),
)
def test_any_finite_reading_gets_scikit_learns_label(kernel: str, values: list[float], seed: int) -> None:
    model = fitted(kernel, nu=0.3, n=60, seed=seed)
    array = np.array(values)
    labels, scores = SvmDetector(parameters_of(model)).predict(array)
    assert (labels == (model.predict(array[:, None]) == -1)).all()
    np.testing.assert_allclose(scores, model.decision_function(array[:, None]), rtol=1e-9, atol=0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_reading_too_large_for_arithmetic_does_not_crash(kernel: str) -> None:
    labels, scores = SvmDetector(parameters_of(fitted(kernel))).predict(np.array([1.7e308, -1.7e308]))
    assert not np.isnan(scores).any()
    assert set(labels.tolist()) <= {0, 1}


@settings(deadline=None, max_examples=60)
@given(
    kernel=st.sampled_from(KERNELS),
    readings=st.lists(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20), min_size=1, max_size=8),
    numbers=st.data(),
)
def test_detectors_together_say_what_each_says_alone(
    kernel: str, readings: list[list[float]], numbers: st.DataObject
) -> None:
    number = st.floats(-50, 50)
    scaled = numbers.draw(st.booleans())
    support = numbers.draw(st.integers(1, 5))
    detectors = [
        SvmDetector(
            SvmParameters(
                mean=numbers.draw(number) if scaled else None,
                scale=numbers.draw(st.floats(0.1, 50)) if scaled else None,
                kernel=kernel,
                gamma=numbers.draw(st.floats(0, 50)),
                coef0=numbers.draw(number),
                degree=3,
                support=np.array(numbers.draw(st.lists(number, min_size=support, max_size=support))),
                dual=np.array(numbers.draw(st.lists(st.floats(0, 1), min_size=support, max_size=support))),
                intercept=-numbers.draw(st.floats(0, 2)),
            )
        )
        for _ in readings
    ]
    alone = [detector.predict(np.array(values)) for detector, values in zip(detectors, readings, strict=True)]
    labels, scores = predict_together(detectors, list(map(len, readings)), np.concatenate(readings))
    assert labels.tobytes() == np.concatenate([ours for ours, _ in alone]).tobytes()
    assert scores.tobytes() == np.concatenate([ours for _, ours in alone]).tobytes()
