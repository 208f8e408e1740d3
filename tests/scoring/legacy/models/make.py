"""Makes the pickles in this folder, and the predictions of their own scikit-learn.

Run with the Python and the scikit-learn of each version, from 0.17 under Python 2 on:

    pip install --target OLD scikit-learn==0.19.2 numpy==1.15.4 scipy==1.1.0
    PYTHONPATH=OLD python make.py

It writes `<version>/<model>` and `<version>/answers.json`: the probe, and of each model the labels and, where
the version has one, the decision function. Models whose names end in `-frame` are fitted on a DataFrame, if
pandas is there. Two versions save each model by skops as well. Pickles that are there are kept.
"""

# Python 2.7 runs this, too, where there is no pathlib and no f-string:
# ruff: noqa: INP001, PTH100, PTH103, PTH110, PTH112, PTH118, PTH120, PTH123, UP032
import importlib
import io
import json
import os
import pickle
import sys
import warnings
import zipfile

import numpy as np
import sklearn
from sklearn.pipeline import Pipeline

READINGS = np.random.RandomState(0).normal(50, 10, (60, 1))
SAVED_BY_SKOPS = ("1.2.", "1.5.")
PROBE = np.concatenate([np.linspace(-20, 120, 29), READINGS[::8, 0], [-1e6, 1e6]])[:, None]


SVM = {"kind": "svm.OneClassSVM", "nu": 0.1, "gamma": 0.3}
FOREST = {"kind": "ensemble.IsolationForest", "random_state": 0}
SGD = {"kind": "linear_model.SGDOneClassSVM", "nu": 0.2, "random_state": 0}
POWER = {"kind": "preprocessing.PowerTransformer"}
QUANTILE = {"kind": "preprocessing.QuantileTransformer", "n_quantiles": 20, "random_state": 0}
ENVELOPE = {"kind": "covariance.EllipticEnvelope", "contamination": 0.1, "random_state": 0}
NYSTROEM = {"kind": "kernel_approximation.Nystroem", "n_components": 5, "random_state": 0}
SAMPLER = {"kind": "kernel_approximation.RBFSampler", "n_components": 5, "random_state": 0}
LOF = {"kind": "neighbors.LocalOutlierFactor", "novelty": True, "contamination": 0.1}
STANDARD = {"kind": "preprocessing.StandardScaler"}

MODELS = {
    "svm-rbf": [STANDARD, SVM],
    "svm-auto": [dict(SVM, gamma="auto")],
    "svm-linear": [STANDARD, dict(SVM, kernel="linear")],
    "svm-poly": [dict(STANDARD, with_mean=False), dict(SVM, kernel="poly", degree=2, coef0=0.5)],
    "svm-sigmoid": [dict(STANDARD, with_std=False), dict(SVM, kernel="sigmoid", gamma=0.01)],
    "minmax": [{"kind": "preprocessing.MinMaxScaler", "feature_range": (-1, 2)}, SVM],
    "maxabs": [{"kind": "preprocessing.MaxAbsScaler"}, SVM],
    "robust": [{"kind": "preprocessing.RobustScaler"}, SVM],
    "pca": [{"kind": "decomposition.PCA", "whiten": True}, SVM],
    "forest": [dict(FOREST, n_estimators=4, max_samples=24, contamination=0.1)],
    "forest-plain": [STANDARD, dict(FOREST, n_estimators=2, max_samples=16)],
    "envelope": [ENVELOPE],
    "lof": [dict(LOF, n_neighbors=5)],
    "lof-brute": [dict(LOF, n_neighbors=4, algorithm="brute")],
    "lof-ball": [STANDARD, dict(LOF, n_neighbors=4, algorithm="ball_tree", leaf_size=5)],
    "quantile": [QUANTILE, SVM],
    "quantile-normal": [dict(QUANTILE, output_distribution="normal"), SVM],
    "power": [POWER, SVM],
    "polynomial": [STANDARD, {"kind": "preprocessing.PolynomialFeatures", "degree": 3}, SVM],
    "imputer": [{"kind": "impute.SimpleImputer"}, STANDARD, SVM],
    "nystroem": [STANDARD, dict(NYSTROEM, gamma=0.5), SGD],
    "sampler": [STANDARD, SAMPLER, SGD],
    "passthrough": ["passthrough", SVM],
    "none": [None, SVM],
    "svm-frame": [STANDARD, SVM],
    "forest-frame": [dict(FOREST, n_estimators=3, max_samples=16)],
    "lof-frame": [dict(LOF, n_neighbors=4)],
    "envelope-frame": [ENVELOPE],
    "features-svm": [STANDARD, SVM],
    "features-forest": [dict(FOREST, n_estimators=2, max_samples=16)],
    "sgd": [STANDARD, SGD],
}


def build(steps):
    """The estimator of some steps, or None where this version has no such thing."""
    parts = []
    for step in steps:
        if step in (None, "passthrough"):
            parts.append(("nothing", step))
            continue
        options = dict(step)
        module, name = options.pop("kind").split(".")
        try:
            kind = getattr(importlib.import_module("sklearn." + module), name)
            parts.append((name.lower(), kind(**options)))
        except (AttributeError, ImportError, TypeError):
            return None
    try:
        return Pipeline(parts) if len(parts) > 1 else parts[0][1]
    except TypeError:
        return None


def main():
    """Write this version's folder."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), sklearn.__version__)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    warnings.simplefilter("ignore")
    answers = {}
    for number, (name, steps) in enumerate(sorted(MODELS.items())):
        model = build(steps)
        if model is None:
            continue
        try:
            model.fit(readings_for(name))
        except (AttributeError, ImportError, TypeError, ValueError):  # no pandas, or no such step yet
            continue
        if name.startswith("features"):
            save(model, os.path.join(folder, name), number)
            continue
        labels = [int(label) for label in model.predict(PROBE)]
        scores = [float(score) for score in np.ravel(model.decision_function(PROBE))]
        answers[name] = {"labels": labels, "scores": scores}
        save(model, os.path.join(folder, name), number)
        if name == "svm-rbf":
            save_variants(model, os.path.join(folder, name))
    facts = {"python": sys.version.split()[0], "probe": PROBE[:, 0].tolist(), "answers": answers}
    with open(os.path.join(folder, "answers.json"), "w") as file:
        json.dump(facts, file, sort_keys=True)
        file.write("\n")


def readings_for(name):
    """What a model is fitted on."""
    if name.startswith("features"):
        return np.concatenate([READINGS, READINGS[::-1]], axis=1)
    if name.endswith("frame"):
        return importlib.import_module("pandas").DataFrame({"Value": READINGS[:, 0]})
    return READINGS


def save(model, path, number):
    """As a pickle of some protocol, and by skops in some versions."""
    if not os.path.exists(path + ".pkl"):
        with open(path + ".pkl", "wb") as file:
            pickle.dump(model, file, min(2 + number % 4, pickle.HIGHEST_PROTOCOL))
    if sklearn.__version__.startswith(SAVED_BY_SKOPS):
        skops_io = importlib.import_module("skops.io")
        archive = zipfile.ZipFile(io.BytesIO(skops_io.dumps(model)))
        with zipfile.ZipFile(path + ".skops", "w", zipfile.ZIP_DEFLATED) as target:  # smaller than skops does
            for member in archive.namelist():
                target.writestr(member, archive.read(member))


def save_variants(model, path):
    """One model in every protocol, and as joblib writes it."""
    if os.path.exists(path + ".joblib"):
        return
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with open("{}.p{}.pkl".format(path, protocol), "wb") as file:
            pickle.dump(model, file, protocol)
    try:
        joblib = importlib.import_module("joblib")
    except ImportError:
        joblib = importlib.import_module("sklearn.externals.joblib")
    joblib.dump(model, path + ".joblib")  # before joblib 0.10 each array has its own file
    joblib.dump(model, path + ".zlib.joblib", compress=3)


if __name__ == "__main__":
    main()
