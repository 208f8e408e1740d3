"""The closed table of what a legacy pickle may name, and what each name stands for here."""

from dataclasses import dataclass

CLASSES = {
    "EllipticEnvelope": (
        "sklearn.covariance.outlier_detection",
        "sklearn.covariance.elliptic_envelope",
        "sklearn.covariance._elliptic_envelope",
    ),
    "ExtraTreeRegressor": ("sklearn.tree.tree", "sklearn.tree._classes"),
    "IsolationForest": ("sklearn.ensemble.iforest", "sklearn.ensemble._iforest"),
    "LocalOutlierFactor": ("sklearn.neighbors.lof", "sklearn.neighbors._lof"),
    "MaxAbsScaler": ("sklearn.preprocessing.data", "sklearn.preprocessing._data"),
    "MinMaxScaler": ("sklearn.preprocessing.data", "sklearn.preprocessing._data"),
    "OneClassSVM": ("sklearn.svm.classes", "sklearn.svm._classes"),
    "PCA": ("sklearn.decomposition.pca", "sklearn.decomposition._pca"),
    "Pipeline": ("sklearn.pipeline",),
    "RobustScaler": ("sklearn.preprocessing.data", "sklearn.preprocessing._data"),
    "SGDOneClassSVM": ("sklearn.linear_model._stochastic_gradient",),
    "StandardScaler": ("sklearn.preprocessing.data", "sklearn.preprocessing._data"),
    "Tree": ("sklearn.tree._tree",),
}
"""Classes that a legacy model may be made of, and the modules that they have lived in."""

_TREES = ("sklearn.neighbors.{}", "sklearn.neighbors._{}")
_DISTANCES = (
    "sklearn.neighbors.dist_metrics",
    "sklearn.neighbors._dist_metrics",
    "sklearn.metrics._dist_metrics",
)
_KD_TREES, _BALL_TREES = ([name.format(tree) for name in _TREES] for tree in ("kd_tree", "ball_tree"))

_UNUSED = {
    "BallTree": _BALL_TREES,
    "EuclideanDistance": _DISTANCES,
    "EuclideanDistance64": _DISTANCES,
    "Hinge": ("sklearn.linear_model._sgd_fast",),
    "KDTree": _KD_TREES,
    "MT19937": ("numpy.random._mt19937",),
    "ManhattanDistance": _DISTANCES,
    "ManhattanDistance64": _DISTANCES,
    "__RandomState_ctor": ("numpy.random",),
    "__bit_generator_ctor": ("numpy.random._pickle",),
    "__randomstate_ctor": ("numpy.random._pickle",),
}
"""Parts that no prediction needs, or that are built anew: search trees, random generators, loss functions."""

_NUMPY = ("numpy.core", "numpy._core")
_JOBLIB = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
_OBJECTS = {
    ("_codecs", "encode"): "encode",
    ("__builtin__", "bytearray"): "bytearray",
    ("__builtin__", "bytes"): "bytes",
    ("__builtin__", "object"): "object",
    ("builtins", "bytearray"): "bytearray",
    ("builtins", "bytes"): "bytes",
    ("builtins", "object"): "object",
    ("copy_reg", "_reconstructor"): "instance",
    ("copyreg", "_reconstructor"): "instance",
    ("numpy", "dtype"): "dtype",
    ("numpy", "ndarray"): "ndarray",
    **{(f"{parent}.multiarray", "_reconstruct"): "array" for parent in _NUMPY},
    **{(f"{parent}.multiarray", "scalar"): "scalar" for parent in _NUMPY},
    **{(f"{parent}.numeric", "_frombuffer"): "frombuffer" for parent in _NUMPY},
    **{(module, "NumpyArrayWrapper"): "wrapper" for module in _JOBLIB},
    **{(module, "newObj"): "instance" for module in (*_KD_TREES, *_BALL_TREES, *_DISTANCES)},
}


@dataclass(frozen=True, slots=True)
class Name:
    """What a pickle refers to by name; `role` says what it stands for here."""

    role: str
    name: str


def known(module: str, name: str) -> Name | None:
    """What a name stands for, or None where it is none that a model is made of."""
    if module in CLASSES.get(name, ()):
        return Name("estimator", name)
    if module in _UNUSED.get(name, ()):
        return Name("unused", name)
    role = _OBJECTS.get((module, name))
    return Name(role, name) if role else None
