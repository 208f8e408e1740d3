"""What scikit-learn itself says of the readings that a run predicted, with the model that it named."""

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
    """Each sensor of each run that got another label or score than from scikit-learn."""

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
            detector = model(models[sensor])
            values = np.array([[float(value)] for value, _label, _score in found])
            labels = (detector.predict(values) == -1).astype(int).tolist()
            scores = detector.decision_function(values).tolist()
            for (value, label, score), expected, exact in zip(found, labels, scores, strict=True):
                if label != expected or not math.isclose(score, exact, rel_tol=_RELATIVE, abs_tol=1e-15):
                    told, right = f"{label} with {score!r}", f"{expected} with {exact!r}"
                    yield f"{told} for {value} of {sensor} in {run.name}, not {right}"
