"""What scikit-learn takes on trust in a fitted estimator, and a file must not be trusted with.

Its compiled parts follow the indexes and lengths that they find without looking: a file that was tampered
with would end the process, and with it the scoring of every other sensor.
"""

from collections.abc import Iterator
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
    for step in steps:
        if hasattr(step, "feature_names_in_"):  # else scikit-learn warns at every prediction of an array
            del step.feature_names_in_
        if hasattr(step, "bsplines_"):
            _regrow_splines(step)
    for tree in getattr(last, "estimators_", ()):
        _check_tree(tree.tree_)
    if name.endswith(".OneClassSVM"):
        _check_svm(last)
    if name.endswith(".LocalOutlierFactor"):
        _regrow_tree(last)
    return estimator


def _steps_of(estimator: Any) -> Iterator[Any]:
    """What readings go through, in order, also where a pipeline stands in a pipeline."""
    from sklearn.pipeline import Pipeline

    if isinstance(estimator, Pipeline):
        for _, step in estimator.steps:
            yield from _steps_of(step)
    elif estimator is not None and estimator != "passthrough":
        yield estimator


def _regrow_splines(transformer: Any) -> None:
    """Compiled code walks their knots without looking; scipy looks when it makes them."""
    from scipy.interpolate import BSpline

    transformer.bsplines_ = [
        BSpline(spline.t, spline.c, spline.k, spline.extrapolate) for spline in transformer.bsplines_
    ]


def _regrow_tree(factor: Any) -> None:
    """Compiled code follows the indexes in its tree without looking: one grown anew has good ones."""
    from sklearn.neighbors import BallTree, KDTree

    if factor.novelty is not True:
        raise ModelRefused("is a LocalOutlierFactor without novelty=True, which cannot predict")
    method, metric = factor._fit_method, factor.effective_metric_  # noqa: SLF001
    if method in {"kd_tree", "ball_tree"}:
        kind = KDTree if method == "kd_tree" else BallTree
        options = factor.effective_metric_params_
        factor._tree = kind(factor._fit_X, factor.leaf_size, metric=metric, **options)  # noqa: SLF001


def _check_svm(svm: Any) -> None:
    """Libsvm copies these arrays by the length of another one."""
    count = len(svm.support_vectors_)
    good = (
        svm.kernel in {"linear", "poly", "rbf", "sigmoid"}  # with one that is computed before, it indexes too
        and not svm._sparse  # noqa: SLF001
        and np.shape(svm.support_) == (count,)
        and svm.support_vectors_.ndim == 2  # noqa: PLR2004
        and np.shape(svm._dual_coef_) == (1, count)
        and np.shape(svm._intercept_) == (1,)
        and np.array_equal(svm._n_support, [count, count])  # noqa: SLF001
    )
    if not good:
        raise ModelRefused("holds support vectors, indexes and coefficients that do not fit")


def _check_tree(tree: Any) -> None:
    """Compiled code walks a tree without looking: every child and feature must be one that is there."""
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    count = np.arange(tree.node_count)
    good = (
        (left[inner] > count[inner]).all()
        and (right[inner] > count[inner]).all()
        and (left[inner] < tree.node_count).all()
        and (right[inner] < tree.node_count).all()
        and (tree.feature[inner] == 0).all()
    )
    if not good:
        raise ModelRefused("holds a tree whose nodes lead nowhere")
