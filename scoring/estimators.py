"""scikit-learn's outlier detectors from .skops files: read, audited against a closed list, constructed.

skops refuses types that it does not know, but the types that it knows include functions and estimators that
run them. So the list here is ours, and the audit looks at the document before anything is imported.
"""

import io
import json
import math
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from scoring.errors import ModelError, ModelRefused
from scoring.estimator_checks import DETECTORS, checked
from scoring.isolate import answerable
from scoring.models.skops import COMPRESSIONS

MOST_BYTES = 256 << 20
"""Largest model, as a file and unpacked."""
MOST_MEMBERS = 100_000

_AGAIN = "; save it again with skops.io.dump"

TRUSTED_TYPES = DETECTORS | {
    "builtins.dict",
    "builtins.list",
    "builtins.set",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "numpy.bool",
    "numpy.dtype",
    "numpy.float32",
    "numpy.float64",
    "numpy.int32",
    "numpy.int64",
    "numpy.ndarray",
    "numpy.random.mtrand.RandomState",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.interpolate._bsplines._BSpline",
    "sklearn.decomposition._factor_analysis.FactorAnalysis",
    "sklearn.decomposition._fastica.FastICA",
    "sklearn.decomposition._incremental_pca.IncrementalPCA",
    "sklearn.decomposition._kernel_pca.KernelPCA",
    "sklearn.decomposition._pca.PCA",
    "sklearn.impute._base.SimpleImputer",
    "sklearn.kernel_approximation.AdditiveChi2Sampler",
    "sklearn.kernel_approximation.Nystroem",
    "sklearn.kernel_approximation.RBFSampler",
    "sklearn.kernel_approximation.SkewedChi2Sampler",
    "sklearn.linear_model._sgd_fast.Hinge",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.Binarizer",
    "sklearn.preprocessing._data.KernelCenterer",
    "sklearn.preprocessing._data.MaxAbsScaler",
    "sklearn.preprocessing._data.MinMaxScaler",
    "sklearn.preprocessing._data.Normalizer",
    "sklearn.preprocessing._data.PowerTransformer",
    "sklearn.preprocessing._data.QuantileTransformer",
    "sklearn.preprocessing._data.RobustScaler",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._discretization.KBinsDiscretizer",
    "sklearn.preprocessing._encoders.OneHotEncoder",
    "sklearn.preprocessing._polynomial.PolynomialFeatures",
    "sklearn.preprocessing._polynomial.SplineTransformer",
    "sklearn.tree._classes.ExtraTreeRegressor",
    "sklearn.tree._tree.Tree",
}
"""All that a model may be made of: estimators that compute, arrays, plain values. No function at all."""

_LOADERS = frozenset(
    {
        "DTypeNode",
        "DictNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "NdArrayNode",
        "ObjectNode",
        "RandomStateNode",
        "SetNode",
        "SliceNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
    }
)


class EstimatorDetector:
    """Predicts with a scikit-learn estimator of one feature."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def predict(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Labels (1 is an anomaly) and scores (below zero is anomalous) of readings, all of shape (n,).

        A reading so far out that the estimator refuses it is an anomaly with a score of minus infinity.

        Raises:
            ModelError: the estimator refuses others, too, or answers with what is no number.
        """
        try:
            return self._ask(values)
        except ModelError:
            good = answerable(values, self._answers)
            if good is None or good.all():
                raise
        labels, scores = np.ones(len(values), np.uint8), np.full(len(values), -np.inf)
        if good.any():
            labels[good], scores[good] = self._ask(values[good])
        return labels, scores

    def _answers(self, values: np.ndarray) -> bool:
        try:
            self._ask(values)
        except ModelError:
            return False
        return True

    def _ask(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        column = values.reshape(-1, 1)
        try:
            with np.errstate(all="ignore"):  # overflow ends in inf or nan, which are dealt with
                labels = np.asarray(self.estimator.predict(column)) == -1
                scores = np.asarray(self.estimator.decision_function(column), dtype=np.float64).reshape(-1)
        except Exception as error:
            raise ModelError(
                f"scikit-learn refuses to predict ({_first_line(error)}); train it again"
            ) from error
        if not labels.shape == scores.shape == values.shape:
            raise ModelError("does not answer with one label and one score a reading; train it again")
        if np.isnan(scores).any():
            raise ModelError("a score is not a number: a parameter is not finite; train this model again")
        return labels.astype(np.uint8), scores


def load_detector(content: bytes) -> EstimatorDetector:
    """Audit and construct the estimator in a .skops file.

    Raises:
        ModelRefused: it asks for what is not trusted, or is no outlier detector.
        ModelError: it is broken, or expects another number of features.
    """
    return EstimatorDetector(_construct(audited(content)))


def audited(content: bytes) -> dict[str, bytes]:
    """The members of a .skops file that asks for nothing but trusted types.

    Raises:
        ModelRefused: it asks for more, and all of it is named.
        ModelError: it is broken, or too large.
    """
    members = unpack(content)
    schema = read_schema(members)
    audit(schema)
    return members | {"schema.json": _spelt_out(schema, members)}


def unpack(content: bytes) -> dict[str, bytes]:
    """The members of a .skops file, within limits whatever its headers say.

    Raises:
        ModelError: this is not a .skops file, or it is too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_members(members)
            return {member.filename: _bounded(archive, member) for member in members}
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(f"is not a .skops file ({_first_line(error)}){_AGAIN}") from error


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if sum(member.file_size for member in members) > MOST_BYTES or len(members) > MOST_MEMBERS:
        raise ModelError(f"unpacks to more than {MOST_BYTES >> 20} MB or {MOST_MEMBERS:,} members")
    if len({member.filename for member in members}) < len(members):
        raise ModelError("holds two members of one name")
    if any(member.compress_type not in COMPRESSIONS for member in members):
        raise ModelError("is compressed in a way that skops does not use; save it again")


def _check_array(name: str, content: bytes) -> None:
    """An array is allocated before it is read: its header must not ask for more than is there."""
    file = io.BytesIO(content)
    form = np.lib.format
    header = form.read_array_header_2_0 if form.read_magic(file) > (1, 0) else form.read_array_header_1_0
    shape, _, dtype = header(file)
    if math.prod(shape) * dtype.itemsize > len(content):
        raise ModelError(f"holds an array {_plain(name)[:40]} that is cut off")


def _bounded(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """`archive.read` would first unpack all that is there, however small the header says it is."""
    with archive.open(member) as file:
        return file.read(member.file_size + 1)


def read_schema(members: dict[str, bytes]) -> Any:
    """The schema among the members of a .skops file.

    Raises:
        ModelError: there is none.
        ModelRefused: it is nested too deeply.
    """
    try:
        return json.loads(members["schema.json"])
    except RecursionError as error:
        raise ModelRefused("is nested too deeply to be a model") from error
    except KeyError as error:
        raise ModelError(f"is not a .skops file (it has no schema.json){_AGAIN}") from error
    except ValueError as error:
        raise ModelError(f"is not a .skops file ({_first_line(error)}){_AGAIN}") from error


def audit(schema: Any) -> None:
    """See that the document names trusted types only.

    Raises:
        ModelRefused: names all that are not trusted, sorted.
    """
    refused: set[str] = set()
    for node in _objects(schema):
        if "__loader__" in node:
            name = f"{node.get('__module__')}.{node.get('__class__')}"
            if name not in TRUSTED_TYPES:
                refused.add(name)
            elif str(node["__loader__"]) not in _LOADERS:
                refused.add(f"{name} by {node['__loader__']}")
    if refused:
        names = _plain(", ".join(sorted(refused)))[:300]
        raise ModelRefused(f"asks for types that are not trusted: {names}; only known detectors are loaded")


def _spelt_out(schema: Any, members: dict[str, bytes]) -> bytes:
    """The schema without ids, which skops writes beside a full copy at each place, and needs for nothing.

    For an id that it met before it takes what it met, whatever stands there: lists that hold such a part
    twice, level by level, are short to write and endless to unfold.
    """
    room = MOST_BYTES
    for node in _objects(schema):
        node.pop("__id__", None)
        file = node.get("file")
        if isinstance(file, str):
            room -= len(members.get(file, b""))  # each place gets an array of its own
    if room < 0:
        raise ModelError(f"unpacks to more than {MOST_BYTES >> 20} MB of numbers")
    return json.dumps(schema).encode()


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document, however deep it stands."""
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            yield node
            waiting.extend(node.values())


def _construct(members: dict[str, bytes]) -> Any:
    import skops.io

    plain = io.BytesIO()
    try:
        with zipfile.ZipFile(plain, "w") as archive:
            for name, content in members.items():
                if name.endswith(".npy"):
                    _check_array(name, content)
                archive.writestr(name, content)
        with warnings.catch_warnings():
            # A model of another scikit-learn version: its answers are checked by whoever trained it.
            warnings.simplefilter("ignore")
            return checked(skops.io.loads(plain.getvalue(), trusted=sorted(TRUSTED_TYPES)))
    except (ModelError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(f"cannot be loaded ({_first_line(error)}); save it again") from error


def _first_line(error: BaseException) -> str:
    return _plain((str(error).strip() or type(error).__name__).splitlines()[0][:200])


def _plain(text: str) -> str:
    """Text that can be printed and written, whatever names a hostile file made up."""
    return "".join(character if character.isprintable() else "?" for character in text)
