"""What scoring costs for each kind of detector, compared with scikit-learn: `python bench/models.py`.

CPU time of one process: 1,000 sensors with 720 readings each, whose models are loaded once and answer once.
All sensors of a kind share a few models, as fitting a thousand would take longer than everything else.
scikit-learn is asked as a script would ask it, for labels and for scores. With `--rounded`, many readings
are the same: where neighbours are equally near and differ, scikit-learn's choice among them is repeated step
by step.
"""

import argparse
import hashlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.svm import OneClassSVM

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scoring.keys import SensorKey  # noqa: E402
from scoring.models.detector import detector_of  # noqa: E402
from scoring.models.files import parameters_from  # noqa: E402
from scoring.models.pack_writer import write_pack  # noqa: E402
from scoring.models.store import ModelStore  # noqa: E402
from scoring.models.write import model_bytes  # noqa: E402

READINGS, MODELS = 720, 5
KINDS: dict[str, tuple[Any, float]] = {
    "OneClassSVM": (make_pipeline(StandardScaler(), OneClassSVM(nu=0.01, gamma=0.1)), 1 / 4),
    "SGDOneClassSVM": (
        make_pipeline(StandardScaler(), Nystroem(n_components=20, random_state=0), SGDOneClassSVM()),
        1 / 4,
    ),
    "IsolationForest": (IsolationForest(n_estimators=100, random_state=0), 1 / 20),
    "LocalOutlierFactor": (make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)), 1 / 4),
    "EllipticEnvelope": (
        make_pipeline(QuantileTransformer(n_quantiles=100), EllipticEnvelope(random_state=0)),
        1 / 4,
    ),
}
"""Each with the share of scikit-learn's time that is aimed at."""


def main() -> int:
    """Measure, and say whether the aims are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sensors", type=int, default=1000)
    parser.add_argument("--rounded", action="store_true", help="readings of one digit, many of them the same")
    args = parser.parse_args()
    print(f"CPU seconds for {args.sensors:,} sensors x {READINGS} readings; scikit-learn first")
    missed = []
    for name, (model, aim) in KINDS.items():
        loading, scoring = measured(model, args.sensors, rounded=args.rounded)
        ratio = scoring[1] / scoring[0]
        if ratio > aim:
            missed.append(name)
        print(
            f"{name:20} scoring {scoring[0]:7.2f} {scoring[1]:7.2f}  {ratio:.3f} (aim: {aim:.3f}, "
            f"{'missed' if ratio > aim else 'met'})"
            f"   loading {loading[0]:7.2f} {loading[1]:7.2f}  {loading[1] / loading[0]:.3f}"
        )
    print(f"{args.sensors:,} forests of 100 trees load from a pack in {from_pack(args.sensors):.2f} s")
    reading, packing = packed(args.sensors)
    print(
        f"{args.sensors:,} common models are packed in {1e3 * packing / args.sensors:.2f} ms each, which is "
        f"{packing / reading:.0f} times what reading and hashing their files takes"
    )
    print(f"aims missed: {', '.join(missed)}" if missed else "all aims met")
    return 1 if missed else 0


def measured(model: Any, sensors: int, *, rounded: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    """CPU seconds of loading and of scoring: scikit-learn's, and ours."""
    random = np.random.default_rng(0)

    def readings(count: int) -> np.ndarray:
        values = random.normal(50, 10, count)
        return values.round(1) if rounded else values

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = [model_bytes(model.fit(readings(1000)[:, None])) for _ in range(MODELS)]
    fleet = [(files[sensor % MODELS], readings(READINGS)) for sensor in range(sensors)]
    trusted = skops.io.get_untrusted_types(data=files[0])
    theirs = [0.0, 0.0]
    ours = [0.0, 0.0]
    for content, values in fleet:
        estimator, seconds = timed(lambda: skops.io.loads(content, trusted=trusted))  # noqa: B023
        theirs[0] += seconds
        rows = values.reshape(-1, 1)
        expected, seconds = timed(
            lambda: (estimator.predict(rows) == -1, estimator.decision_function(rows).reshape(-1))  # noqa: B023
        )
        theirs[1] += seconds
        detector, seconds = timed(lambda: detector_of(parameters_from(content)))  # noqa: B023
        ours[0] += seconds
        found, seconds = timed(lambda: detector.predict(values))  # noqa: B023
        ours[1] += seconds
        assert (found[0] == expected[0]).all()
        assert np.allclose(found[1], expected[1], rtol=1e-9, atol=1e-12)
    return (theirs[0], ours[0]), (theirs[1], ours[1])


def from_pack(sensors: int) -> float:
    """CPU seconds to take forests out of a pack."""
    values = np.random.default_rng(0).normal(50, 10, (1000, 1))
    content = model_bytes(IsolationForest(n_estimators=100, random_state=0).fit(values))
    with tempfile.TemporaryDirectory() as folder:
        keys = [SensorKey(str(sensor), "1") for sensor in range(sensors)]
        for key in keys:
            (Path(folder) / key.model_name).write_bytes(content)
        write_pack(Path(folder))

        def load() -> None:
            store = ModelStore(Path(folder))
            assert store.unchanged == sensors
            for key in keys:
                store.get(key)

        return timed(load)[1]


def packed(sensors: int) -> tuple[float, float]:
    """CPU seconds to read and hash the files of common models, and to pack them."""
    values = np.random.default_rng(0).normal(50, 10, (1000, 1))
    content = model_bytes(KINDS["OneClassSVM"][0].fit(values))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / SensorKey(str(sensor), "1").model_name for sensor in range(sensors)]
        for path in paths:
            path.write_bytes(content)

        def read() -> None:
            for path in paths:
                hashlib.sha256(path.read_bytes()).hexdigest()

        return timed(read)[1], timed(lambda: write_pack(Path(folder)))[1]


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and CPU seconds of this process."""
    start = time.process_time()
    return act(), time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
