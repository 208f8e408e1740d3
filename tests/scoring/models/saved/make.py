"""Makes the models in the folder beside this that is named like the scikit-learn that runs it.

    python -m venv old && old/bin/pip install scikit-learn==1.2.2 skops==0.6.0 "numpy<2"
    old/bin/python tests/scoring/models/saved/make.py

Everything is drawn from normal distributions. `answers.json` holds what that scikit-learn itself says.
`pairs.tar.xz` holds every pair of a transformer and a detector, and the scores and labels of each beside it.
"""

import io
import json
import sys
import tarfile
import warnings
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

PAIRED_VERSIONS = ("1.2.2", "1.5.2")
TRANSFORMERS = {
    "passthrough": "passthrough",
    "standard": StandardScaler(),
    "minmax": MinMaxScaler(clip=True),
    "maxabs": MaxAbsScaler(),
    "robust": RobustScaler(),
    "power": PowerTransformer(),
    "quantile": QuantileTransformer(n_quantiles=10, output_distribution="normal"),
    "polynomial": PolynomialFeatures(2),
    "imputer": SimpleImputer(),
    "pca": PCA(whiten=True),
    "nystroem": Nystroem(gamma=0.01, n_components=3, random_state=0),
    "fourier": RBFSampler(gamma=0.01, n_components=3, random_state=0),
}
DETECTORS = {
    **{
        f"svm-{kernel}": OneClassSVM(kernel=kernel, nu=0.1) for kernel in ("linear", "poly", "rbf", "sigmoid")
    },
    "sgd": SGDOneClassSVM(random_state=0),
    "forest": IsolationForest(n_estimators=3, max_samples=16, random_state=0),
    "factor": LocalOutlierFactor(n_neighbors=5, novelty=True),
    "envelope": EllipticEnvelope(random_state=0),
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
    if sklearn.__version__ in PAIRED_VERSIONS:
        save_pairs(folder / "pairs.tar.xz", readings, values)


def save_pairs(path: Path, readings: np.ndarray, values: np.ndarray) -> None:
    """Fit, save and ask every pair; members of one archive share what they have in common."""
    with tarfile.open(path, "w:xz") as archive:
        add(archive, "values.npy", npy(values))
        for first, transformer in TRANSFORMERS.items():
            for last, detector in DETECTORS.items():
                model = make_pipeline(transformer, detector).fit(readings)
                add(archive, f"{first}+{last}.skops", skops.io.dumps(model))
                rows = values[:, None]
                answers = [model.decision_function(rows).reshape(-1), model.predict(rows) == -1]
                add(archive, f"{first}+{last}.npy", npy(np.array(answers, np.float64)))


def npy(array: np.ndarray) -> bytes:
    """A .npy file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member without a time or an owner."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    main()
