"""Makes the models in the folder beside this that is named like the scikit-learn that runs it.

    python -m venv old && old/bin/pip install scikit-learn==1.2.2 skops==0.6.0 "numpy<2"
    old/bin/python tests/scoring/models/saved/make.py

Everything is drawn from normal distributions. `answers.json` holds what that scikit-learn itself says.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import sklearn
import skops.io
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import OneClassSVM

MODELS = {
    "svm": make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
    "svm-poly": make_pipeline(MinMaxScaler(clip=True), OneClassSVM(kernel="poly", nu=0.1)),
    "sgd": make_pipeline(
        RobustScaler(), Nystroem(gamma=0.5, n_components=3, random_state=0), SGDOneClassSVM(random_state=0)
    ),
    "sgd-fourier": make_pipeline(
        MaxAbsScaler(), RBFSampler(n_components=3, random_state=0), SGDOneClassSVM(random_state=0)
    ),
    "forest": IsolationForest(n_estimators=3, max_samples=16, random_state=0),
    "forest-two": make_pipeline(
        PolynomialFeatures(2, include_bias=False),
        IsolationForest(n_estimators=3, max_samples=16, max_features=1, contamination=0.1, random_state=0),
    ),
    "factor": make_pipeline(PowerTransformer(), LocalOutlierFactor(n_neighbors=5, novelty=True)),
    "factor-brute": LocalOutlierFactor(n_neighbors=5, novelty=True, algorithm="brute", p=1),
    "envelope": make_pipeline(
        SimpleImputer(),
        QuantileTransformer(n_quantiles=10),
        PCA(whiten=True),
        EllipticEnvelope(random_state=0),
    ),
}


def main() -> None:
    """Fit, save and ask all of them."""
    folder = Path(__file__).parent / sklearn.__version__
    folder.mkdir(exist_ok=True)
    readings = np.random.default_rng(0).normal(50, 10, (40, 1)).round(1)
    values = np.concatenate([readings[:, 0], np.arange(0, 100, 2.5), [-1e3, 1e3]])
    answers: dict[str, object] = {"values": values.tolist()}
    for name, model in MODELS.items():
        model.fit(readings)
        with (
            zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as saved,
            zipfile.ZipFile(folder / f"{name}.skops", "w", zipfile.ZIP_DEFLATED) as small,
        ):
            for member in saved.namelist():
                small.writestr(member, saved.read(member))
        answers[name] = {
            "scores": model.decision_function(values[:, None]).reshape(-1).tolist(),
            "labels": (model.predict(values[:, None]) == -1).astype(int).tolist(),
        }
    (folder / "answers.json").write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main()
