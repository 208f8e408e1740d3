"""Detectors: from described objects to typed parameters; forests have a module of their own."""

from collections.abc import Callable

import numpy as np

from scoring.errors import ModelRefused
from scoring.models.detector_parameters import (
    METRICS,
    DetectorParameters,
    Ellipse,
    Hyperplane,
    Neighbours,
    SupportVectors,
)
from scoring.models.document import Described
from scoring.models.fields import Fields
from scoring.models.parameter_checks import Integers
from scoring.models.read_forest import forest


def support_vectors(fields: Fields) -> SupportVectors:
    """OneClassSVM; of both spellings of its numbers, scikit-learn predicts with the private one."""
    kernel = fields.value("kernel")
    if not isinstance(kernel, str) or kernel == "precomputed":
        raise ModelRefused(
            "is a OneClassSVM with a kernel of its own, which is not supported: "
            "train it again with linear, poly, rbf or sigmoid"
        )
    if fields.flag("_sparse", default=False):
        raise ModelRefused("is a OneClassSVM fitted on a sparse matrix, which is not supported: use an array")
    vectors = fields.array("support_vectors_")
    dual = fields.array(fields.first("_dual_coef_", "dual_coef_"))
    if dual.ndim != 2 or len(dual) != 1:  # noqa: PLR2004
        raise fields.error("dual_coef_", "is not one row of coefficients")
    return SupportVectors(
        kernel=kernel,
        gamma=fields.number("_gamma"),
        coef0=fields.number("coef0"),
        degree=fields.whole("degree"),
        vectors=vectors,
        dual=dual[0],
        intercept=fields.number(fields.first("_intercept_", "intercept_")),
    )


def hyperplane(fields: Fields) -> Hyperplane:
    """SGDOneClassSVM."""
    return Hyperplane(fields.array("coef_").reshape(-1), fields.number("offset_"))


def ellipse(fields: Fields) -> Ellipse:
    """EllipticEnvelope; before 0.20 it kept the limit of the distances; scores are negative distances."""
    precision = fields.value("precision_") if fields.has("precision_") else None
    if precision is None:
        raise ModelRefused(
            "is an EllipticEnvelope with store_precision=False, which is not supported: "
            "train it again with store_precision=True"
        )
    offset = fields.number("offset_") if fields.has("offset_") else -fields.number("threshold_")
    return Ellipse(fields.array("location_"), fields.array("precision_"), offset)


_ONE_METRIC = {"cityblock": "manhattan", "l1": "manhattan"}


def neighbours(fields: Fields) -> Neighbours:
    """LocalOutlierFactor."""
    if not fields.flag("novelty", default=False):
        raise ModelRefused(
            "is a LocalOutlierFactor without novelty=True, which cannot predict: train it again with it"
        )
    metric = fields.value("effective_metric_")
    metric = _ONE_METRIC.get(metric, metric) if isinstance(metric, str) else None
    if metric not in METRICS:
        raise ModelRefused(
            "is a LocalOutlierFactor with a metric of its own, which is not supported: "
            "train it again with minkowski, euclidean, manhattan or chebyshev"
        )
    options = fields.value("effective_metric_params_")
    if not isinstance(options, dict) or any(options[name] is not None for name in options if name != "p"):
        raise ModelRefused(
            "is a LocalOutlierFactor with metric_params, which is not supported: train without"
        )
    count = fields.whole("n_neighbors_")
    distances = fields.array("_distances_fit_X_")
    readings = fields.array("_fit_X")
    if distances.ndim != 2 or distances.shape[1] != count:  # noqa: PLR2004
        raise fields.error("_distances_fit_X_", f"does not hold {count} distances a reading")
    search = fields.text("_fit_method")
    order = np.arange(len(readings), dtype=np.int32)
    return Neighbours(
        readings=readings,
        densities=fields.array("_lrd"),
        distances=np.ascontiguousarray(distances[:, -1]),
        search=search,
        order=order if search == "brute" else _tree_order(fields, len(readings)),
        leaf_size=fields.whole("leaf_size"),
        neighbours=count,
        metric=metric,
        p=fields.with_values(options).number("p") if "p" in options else 2.0,
        offset=fields.number("offset_"),
    )


def _tree_order(fields: Fields, count: int) -> Integers:
    """The order in which the tree holds its readings; without the tree, an order that it could have."""
    tree = fields.value("_tree") if fields.has("_tree") else None
    state = tree.attributes.get("__state__") if isinstance(tree, Described) else None
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
    if not isinstance(order, np.ndarray):
        return np.lexsort(fields.array("_fit_X").T[::-1]).astype(np.int32)
    if order.dtype.kind not in "iu" or order.shape != (count,):
        raise fields.error("_tree", "does not match its readings")
    return np.clip(order, -1, (1 << 31) - 1).astype(np.int32)


DETECTORS: dict[str, Callable[[Fields], DetectorParameters]] = {
    "EllipticEnvelope": ellipse,
    "IsolationForest": forest,
    "LocalOutlierFactor": neighbours,
    "OneClassSVM": support_vectors,
    "SGDOneClassSVM": hyperplane,
}
"""By the name of the class."""
