"""What compiled code would follow without looking is grown anew or refused, wherever in a model it stands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    SplineTransformer,
)
from sklearn.svm import OneClassSVM

from scoring import SensorKey
from scoring.errors import ModelError
from scoring.models.files import detector_from, load_model, save_model
from tests.scoring.hostile_files import good_skops, lists_in_lists

KEY = SensorKey("1", "3")
READINGS = np.random.default_rng(0).integers(1, 6, (120, 1)).astype(np.float64)
FAR = 1 << 30
WIDE = 5_000


def bins() -> KBinsDiscretizer:
    return KBinsDiscretizer(n_bins=3, quantile_method="averaged_inverted_cdf")


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(SplineTransformer(), IsolationForest(n_estimators=3, random_state=0)),
        make_pipeline(SplineTransformer(), IsolationForest(n_estimators=3, max_features=2, random_state=0)),
        make_pipeline(bins(), IsolationForest(n_estimators=3, random_state=0)),
        make_pipeline(bins(), SGDOneClassSVM(random_state=0)),
        make_pipeline(OneHotEncoder(drop="first", handle_unknown="ignore"), SGDOneClassSVM(random_state=0)),
        make_pipeline(OneHotEncoder(sparse_output=False), OneClassSVM()),
        make_pipeline(PolynomialFeatures(), LocalOutlierFactor(novelty=True)),
        EllipticEnvelope(store_precision=False, random_state=0),
    ],
    ids=["splines", "drawn", "bins-forest", "bins", "encoder", "dense", "neighbours", "no-precision"],
)
def test_models_that_make_many_features_of_one_answer_as_they_did(tmp_path: Path, estimator: Any) -> None:
    estimator.fit(READINGS)
    save_model(estimator, tmp_path, KEY)
    labels, scores = load_model(tmp_path, KEY).detector.predict(READINGS[:, 0])
    assert (labels == (estimator.predict(READINGS) == -1)).all()
    assert (scores == estimator.decision_function(READINGS)).all()


def encoder_in_steps() -> Any:
    model = make_pipeline(PolynomialFeatures(2, include_bias=False), OneHotEncoder(), SGDOneClassSVM())
    model.fit(READINGS)
    model[1]._n_features_outs = [FAR, 10 - FAR]
    return model


def encoder_in_bins() -> Any:
    model = make_pipeline(PolynomialFeatures(2, include_bias=False), bins(), SGDOneClassSVM()).fit(READINGS)
    model[1]._encoder._n_features_outs = [FAR, 6 - FAR]
    return model


@pytest.mark.parametrize("tampered", [encoder_in_steps, encoder_in_bins])
def test_columns_of_an_encoder_are_counted_anew(tmp_path: Path, tampered: Callable[[], Any]) -> None:
    save_model(tampered(), tmp_path, KEY)
    scores = load_model(tmp_path, KEY).detector.predict(READINGS[:, 0])[1]
    assert np.isfinite(scores).all()


def splines_in_a_scaler() -> Any:
    model = make_pipeline(PowerTransformer(), OneClassSVM()).fit(READINGS)
    model[0]._scaler = SplineTransformer(n_knots=3).fit(READINGS)
    model[0]._scaler.bsplines_[0].k = 100_000
    return model


def infrequent_categories() -> Any:
    return make_pipeline(OneHotEncoder(min_frequency=2), SGDOneClassSVM()).fit(READINGS)


def powers() -> PolynomialFeatures:
    return PolynomialFeatures(WIDE - 1).fit(READINGS)


def precision_of_fewer_features() -> Any:
    envelope = EllipticEnvelope().fit(READINGS)
    envelope.n_features_in_, envelope.location_ = WIDE, np.zeros(WIDE)
    return Pipeline([("powers", powers()), ("envelope", envelope)])


def metric_of_fewer_features() -> Any:
    factor = LocalOutlierFactor(novelty=True, algorithm="brute").fit(np.ones((30, WIDE)))
    factor.metric = factor.effective_metric_ = "mahalanobis"
    factor.effective_metric_params_ = {"VI": np.ones((1, 1))}
    return Pipeline([("powers", powers()), ("factor", factor)])


def neighbours_of_fewer_features() -> Any:
    factor = LocalOutlierFactor(novelty=True, algorithm="brute").fit(READINGS)
    factor.n_features_in_ = WIDE
    return Pipeline([("powers", powers()), ("factor", factor)])


def vectors_of_fewer_features() -> Any:
    svm = OneClassSVM().fit(READINGS)
    svm.n_features_in_ = WIDE
    return Pipeline([("powers", powers()), ("svm", svm)])


def a_feature_that_is_none() -> Any:
    model = make_pipeline(PolynomialFeatures(), IsolationForest(n_estimators=2, random_state=0)).fit(READINGS)
    model[1].estimators_features_ = [np.array([0])] * 2
    model[1]._max_features = 1
    return model


@pytest.mark.parametrize(
    ("tampered", "reason"),
    [
        (splines_in_a_scaler, "cannot be loaded"),
        (infrequent_categories, "infrequent categories"),
        (precision_of_fewer_features, "precision and covariance do not fit"),
        (metric_of_fewer_features, "a metric of its own"),
        (neighbours_of_fewer_features, "readings do not fit"),
        (vectors_of_fewer_features, "do not fit"),
        (a_feature_that_is_none, "nodes lead nowhere"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_does_not_fit_the_features_is_refused(
    tmp_path: Path, tampered: Callable[[], Any], reason: str
) -> None:
    save_model(tampered(), tmp_path, KEY)
    with pytest.raises(ModelError, match=reason):
        load_model(tmp_path, KEY)


def test_lists_that_name_each_other_are_not_unfolded() -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        detector_from(lists_in_lists(good_skops()), KEY.model_name)
