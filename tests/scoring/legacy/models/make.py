"""Makes the pickles in this folder, and what their own scikit-learn answers.

Run with the Python and the scikit-learn of each version, from 0.17 under Python 2 on:

    pip install --target OLD scikit-learn==0.19.2 numpy==1.15.4 scipy==1.1.0
    PYTHONPATH=OLD python make.py

It writes `<version>/<model>` and `<version>/answers.json`: the probe, and of each model the labels and, where
the version has one, the decision function.
"""

# Python 2.7 runs this, too, where there is no pathlib and no f-string:
# ruff: noqa: INP001, PTH100, PTH103, PTH107, PTH112, PTH118, PTH120, PTH123, UP032
import importlib
import json
import os
import pickle
import sys
import warnings

import numpy as np
import sklearn
from sklearn.pipeline import Pipeline

READINGS = np.random.RandomState(0).normal(50, 10, (60, 1))
PROBE = np.concatenate([np.linspace(-20, 120, 29), READINGS[::8, 0], [-1e6, 1e6]])[:, None]


SVM = {"kind": "svm.OneClassSVM", "nu": 0.1, "gamma": 0.3}
FOREST = {"kind": "ensemble.IsolationForest", "random_state": 0}
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
    "envelope": [{"kind": "covariance.EllipticEnvelope", "contamination": 0.1, "random_state": 0}],
    "lof": [dict(LOF, n_neighbors=5)],
    "lof-brute": [dict(LOF, n_neighbors=4, algorithm="brute")],
    "lof-ball": [STANDARD, dict(LOF, n_neighbors=4, algorithm="ball_tree", leaf_size=5)],
    "sgd": [STANDARD, {"kind": "linear_model.SGDOneClassSVM", "nu": 0.2, "random_state": 0}],
}


def build(steps):
    """The estimator of some steps, or None where this version has no such thing."""
    parts = []
    for step in steps:
        options = dict(step)
        module, name = options.pop("kind").split(".")
        try:
            kind = getattr(importlib.import_module("sklearn." + module), name)
            parts.append((name.lower(), kind(**options)))
        except (AttributeError, TypeError):
            return None
    return Pipeline(parts) if len(parts) > 1 else parts[0][1]


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
        model.fit(READINGS)
        labels = [int(label) for label in model.predict(PROBE)]
        scores = [float(score) for score in np.ravel(model.decision_function(PROBE))]
        answers[name] = {"labels": labels, "scores": scores}
        with open(os.path.join(folder, name + ".pkl"), "wb") as file:
            pickle.dump(model, file, min(2 + number % 4, pickle.HIGHEST_PROTOCOL))
        if name == "svm-rbf":
            save_variants(model, os.path.join(folder, name))
    told = {"python": sys.version.split()[0], "probe": PROBE[:, 0].tolist(), "answers": answers}
    with open(os.path.join(folder, "answers.json"), "w") as file:
        json.dump(told, file, sort_keys=True)
        file.write("\n")


def save_variants(model, path):
    """One model in every protocol, and as joblib writes it."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with open("{}.p{}.pkl".format(path, protocol), "wb") as file:
            pickle.dump(model, file, protocol)
    try:
        joblib = importlib.import_module("joblib")
    except ImportError:
        joblib = importlib.import_module("sklearn.externals.joblib")
    for extra in joblib.dump(model, path + ".joblib")[1:]:
        os.remove(extra)  # before joblib 0.10 each array had its own file, which nobody imports
    joblib.dump(model, path + ".zlib.joblib", compress=3)


if __name__ == "__main__":
    main()
