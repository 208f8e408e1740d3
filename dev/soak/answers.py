"""Compares predictions with scikit-learn's own, using the model that the run's summary names."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from skops.io import get_untrusted_types, loads

from dev.soak.contents import Run

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_RELATIVE = 1e-9


def wrong_answers(versions: "ContainerClient", runs: Iterable[Run]) -> Iterator[str]:
    """Predictions whose label or score differs from scikit-learn's."""

    @cache
    def model(digest: str) -> Any:
        content = versions.download_blob(digest).readall()
        return loads(content, trusted=get_untrusted_types(data=content))

    for run in runs:
        models = {
            (sensor["device"], sensor["sensor"]): sensor["model"]
            for sensor in (run.summary["sensors"] if run.summary else ())
        }
        sensors: defaultdict[tuple[str, str], list[tuple[str, int, float]]] = defaultdict(list)
        for row, label, score in run.predictions:
            sensors[row.device, row.sensor].append((row.value, label, score))
        for sensor, found in sensors.items():
            if not (digest := models.get(sensor)):
                yield f"{len(found)} predictions of {sensor} in {run.name}, without a model in the summary"
                continue
            detector = model(digest)
            values = np.array([[float(value)] for value, _label, _score in found])
            labels = (detector.predict(values) == -1).astype(int).tolist()
            scores = detector.decision_function(values).tolist()
            for (value, label, score), expected, exact in zip(found, labels, scores, strict=True):
                if label != expected or not math.isclose(score, exact, rel_tol=_RELATIVE, abs_tol=1e-15):
                    actual, right = f"{label} with {score!r}", f"{expected} with {exact!r}"
                    yield f"{actual} for {value} of {sensor} in {run.name}, expected {right}"
