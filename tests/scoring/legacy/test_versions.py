"""Pickles that real old versions of scikit-learn made, and what those versions answered (`models`)."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring import SensorKey
from scoring.errors import ModelError, ModelRefused
from scoring.legacy.unpickle import read_pickle
from scoring.legacy.convert import convert
from scoring.models.files import load_model
from tests.scoring.said import scoring

FOLDER = Path(__file__).parent / "models"
ROOT = FOLDER.parents[3]
VERSIONS = sorted(path.parent.name for path in FOLDER.glob("*/answers.json"))
SHIFTED = ("0.18", "0.19", "0.20", "0.21")
"""Versions whose forests kept a threshold besides their scores; today it is part of the scores."""
ROOTED = ("0.17", "0.18", "0.19")
"""Versions whose envelopes showed a root of the distance as their score; today it is the distance."""
APART = ("0.17.1", ".joblib")
"""Before 0.18 joblib kept each array in a file of its own."""


def answers(version: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / version / "answers.json").read_text())
    return told


def pickles(version: str, kinds: str) -> list[Path]:
    paths = sorted(path for path in (FOLDER / version).glob(kinds) if path.suffix != ".json")
    return [path for path in paths if (version, path.suffix) != APART]


def as_told_then(scores: np.ndarray, kind: str, version: str, detector: Any) -> Any:
    """Today's scores as that version showed them; below zero or not is the same but for a forest's shift."""
    if kind == "forest" and version.startswith(SHIFTED):
        return scores + (detector.offset_ + 0.5)
    if kind == "envelope" and version.startswith(ROOTED):
        limit = -detector.offset_
        return limit**0.33 - (limit - scores) ** 0.33
    return scores


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "kind", ["svm", "minmax", "maxabs", "robust", "pca", "envelope", "forest", "lof", "sgd"]
)
def test_models_of_every_version_answer_as_they_did(version: str, kind: str) -> None:
    told = answers(version)
    probe = np.array(told["probe"])[:, None]
    paths = pickles(version, f"{kind}*")
    assert bool(paths) == any(name.startswith(kind) for name in told["answers"])
    for path in paths:
        model = convert(read_pickle(path.read_bytes()))
        expected = told["answers"][path.name.partition(".")[0]]
        assert model.predict(probe).tolist() == expected["labels"], path.name
        detector = model[-1] if hasattr(model, "steps") else model
        scores = as_told_then(model.decision_function(probe), kind, version, detector)
        np.testing.assert_allclose(scores, expected["scores"], rtol=1e-12, atol=1e-11, err_msg=path.name)


def test_each_kind_of_model_was_made_by_every_version_that_has_it() -> None:
    since = {"svm": "0.17", "envelope": "0.17", "forest": "0.18", "lof": "0.20", "sgd": "1.0"}
    for kind, first in since.items():
        having = {version for version in VERSIONS if pickles(version, f"{kind}*")}
        assert having == {version for version in VERSIONS if version >= first}
    assert len(VERSIONS) >= 10


def test_the_command_imports_them_and_what_it_saved_answers_alike(tmp_path: Path) -> None:
    source, models = tmp_path / "old", tmp_path / "new"
    source.mkdir()
    chosen = [
        (version, path)
        for version in (VERSIONS[0], "0.20.4", VERSIONS[-1])
        for path in pickles(version, "*.pkl")
        if path.name.count(".") == 1
    ]
    for version, path in chosen:
        os.link(path, source / f"model_{path.stem}_{version}{path.suffix}")
    done = scoring("import-models", source, models)
    assert done.out == f"imported {len(chosen)} of {len(chosen)} models -> {models}\n"
    assert done.code == 0
    for version, path in chosen:
        told = answers(version)
        detector = load_model(models, SensorKey(path.stem, version)).detector
        labels, _ = detector.predict(np.array(told["probe"]))
        assert np.where(labels, -1, 1).tolist() == told["answers"][path.stem]["labels"], (version, path.name)


def test_joblib_files_whose_arrays_are_in_other_files_are_refused() -> None:
    with pytest.raises(ModelRefused, match="NDArrayWrapper"):
        read_pickle((FOLDER / "0.17.1" / "svm-rbf.joblib").read_bytes())
    with pytest.raises(ModelError, match="is no pickle that can be read"):
        read_pickle((FOLDER / "0.17.1" / "svm-rbf.zlib.joblib").read_bytes())
