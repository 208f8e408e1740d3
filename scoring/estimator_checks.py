"""What scikit-learn takes on trust in a fitted estimator, and a file must not be trusted with.

Its compiled parts follow the indexes and lengths that they find without looking: a file that was tampered
with would end the process, and with it the scoring of every other sensor.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from scoring.errors import ModelError, ModelRefused

DETECTORS = frozenset(
    {
        "sklearn.covariance._elliptic_envelope.EllipticEnvelope",
        "sklearn.ensemble._iforest.IsolationForest",
        "sklearn.linear_model._stochastic_gradient.SGDOneClassSVM",
        "sklearn.neighbors._lof.LocalOutlierFactor",
        "sklearn.svm._classes.OneClassSVM",
    }
)


def checked(estimator: Any) -> Any:
    """The estimator, if it is an outlier detector of one feature whose numbers fit together.

    Raises:
        ModelRefused: it is no such detector, or what it holds would lead compiled code astray.
        ModelError: it expects another number of features.
    """
    steps = list(_steps_of(estimator))
    last = steps[-1] if steps else estimator
    name = f"{type(last).__module__}.{type(last).__name__}"
    if name not in DETECTORS:
        raise ModelRefused(f"ends in {name}, which is no outlier detector")
    features = getattr(steps[0], "n_features_in_", None)
    if features != 1:
        raise ModelError(f"expects {features} features, and a reading has one: its Value")
    for part in _parts_of(estimator):
        vars(part).pop("feature_names_in_", None)  # else scikit-learn warns at every prediction of an array
        check = _CHECKS.get(type(part).__name__)
        if check:
            check(part)
    return estimator


def _steps_of(estimator: Any) -> Iterator[Any]:
    """What readings go through, in order, also where a pipeline stands in a pipeline."""
    from sklearn.pipeline import Pipeline

    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from _steps_of(step)
    elif estimator is not None and estimator != "passthrough":
        yield estimator


def _parts_of(estimator: Any) -> Iterator[Any]:
    """Every estimator in it, wherever it stands: scalers and encoders use others that they hold."""
    from sklearn.base import BaseEstimator

    waiting = [estimator]
    while waiting:
        part = waiting.pop()
        if isinstance(part, BaseEstimator):
            yield part
            waiting.extend(vars(part).values())
        elif isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple | set):
            waiting.extend(part)
        elif isinstance(part, np.ndarray) and part.dtype.hasobject:
            waiting.extend(part.ravel().tolist())


def _regrow_splines(transformer: Any) -> None:
    """Compiled code walks their knots without looking; scipy looks when it makes them."""
    from scipy.interpolate import BSpline

    transformer.bsplines_ = [
        BSpline(spline.t, spline.c, spline.k, spline.extrapolate) for spline in transformer.bsplines_
    ]


def _regrow_encoder(encoder: Any) -> None:
    """Its columns become places in a sparse matrix, which compiled code follows without looking."""
    from sklearn.preprocessing import OneHotEncoder

    if encoder.min_frequency is not None or encoder.max_categories is not None:
        raise ModelRefused("holds a OneHotEncoder of infrequent categories, which cannot be verified")
    parameters = encoder.get_params(deep=False) | {"categories": list(encoder.categories_)}
    first = np.array([[categories[0] for categories in encoder.categories_]])
    vars(encoder).update(vars(OneHotEncoder(**parameters).fit(first)))


def _regrow_tree(factor: Any) -> None:
    """Compiled code follows the indexes in its tree without looking: one grown anew has good ones."""
    from sklearn.neighbors import BallTree, KDTree

    if factor.novelty is not True:
        raise ModelRefused("is a LocalOutlierFactor without novelty=True, which cannot predict")
    method, metric = factor._fit_method, factor.effective_metric_  # noqa: SLF001
    options = factor.effective_metric_params_
    shape = np.shape(factor._fit_X)  # noqa: SLF001
    if shape != (len(factor._fit_X), factor.n_features_in_) or not options.keys() <= {"p"}:  # noqa: SLF001
        raise ModelRefused("is a LocalOutlierFactor whose readings do not fit, or with a metric of its own")
    if method in {"kd_tree", "ball_tree"}:
        kind = KDTree if method == "kd_tree" else BallTree
        factor._tree = kind(factor._fit_X, factor.leaf_size, metric=metric, **options)  # noqa: SLF001


def _check_svm(svm: Any) -> None:
    """Libsvm copies these arrays by the length of another one."""
    count = len(svm.support_vectors_)
    good = (
        svm.kernel in {"linear", "poly", "rbf", "sigmoid"}  # with one that is computed before, it indexes too
        and not svm._sparse  # noqa: SLF001
        and np.shape(svm.support_) == (count,)
        and svm.support_vectors_.shape == (count, svm.n_features_in_)
        and np.shape(svm._dual_coef_) == (1, count)
        and np.shape(svm._intercept_) == (1,)
        and np.array_equal(svm._n_support, [count, count])  # noqa: SLF001
    )
    if not good:
        raise ModelRefused("holds support vectors, indexes and coefficients that do not fit")


def _check_envelope(envelope: Any) -> None:
    """The distance by its precision reads as many numbers as there are features, squared."""
    count = envelope.n_features_in_
    square = (count, count)
    if not np.shape(envelope.get_precision()) == np.shape(envelope.covariance_) == square:
        raise ModelRefused("is an EllipticEnvelope whose precision and covariance do not fit")


def _check_forest(forest: Any) -> None:
    """Each tree sees all features, or those that were drawn for it."""
    count = forest.n_features_in_
    subsampled = forest._max_features != count  # noqa: SLF001
    none = np.empty((0, count))
    for member, drawn in zip(forest.estimators_, forest.estimators_features_, strict=True):
        _check_tree(member.tree_, none[:, drawn].shape[1] if subsampled else count)


def _check_tree(tree: Any, features: int) -> None:
    """Compiled code walks a tree without looking: every child and feature must be one that is there."""
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    count = np.arange(tree.node_count)
    good = (
        (left[inner] > count[inner]).all()
        and (right[inner] > count[inner]).all()
        and (left[inner] < tree.node_count).all()
        and (right[inner] < tree.node_count).all()
        and (tree.feature[inner] >= 0).all()
        and (tree.feature[inner] < features).all()
    )
    if not good:
        raise ModelRefused("holds a tree whose nodes lead nowhere")


_CHECKS: dict[str, Callable[[Any], None]] = {
    "EllipticEnvelope": _check_envelope,
    "IsolationForest": _check_forest,
    "LocalOutlierFactor": _regrow_tree,
    "OneClassSVM": _check_svm,
    "OneHotEncoder": _regrow_encoder,
    "SplineTransformer": _regrow_splines,
}
