"""Files written by real old versions of scikit-learn, with the predictions of those versions (`models`)."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring import SensorKey
from scoring.errors import ModelError
from scoring.legacy.unpickle import read_pickle
from scoring.models.detector import detector_of
from scoring.models.files import load_model
from scoring.models.interpret import model_parameters
from scoring.models.skops import read_skops
from tests.scoring.legacy.imported import imported, predicted
from tests.scoring.run_command import scoring

FOLDER = Path(__file__).parent / "models"
ROOT = FOLDER.parents[3]
VERSIONS = sorted(path.parent.name for path in FOLDER.glob("*/answers.json"))
SHIFTED = ("0.18", "0.19", "0.20", "0.21")
"""Versions whose forests kept a threshold besides their scores; today it is part of the scores."""
ROOTED = ("0.17", "0.18", "0.19")
"""Versions whose envelopes showed a root of the distance as their score; today it is the distance."""
CLIPPED = ("0.19", "0.20")
"""Versions whose quantiles stayed a ten-millionth away from 0 and 1."""
LEGACY = {".pkl", ".joblib"}


def answers(version: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((FOLDER / version / "answers.json").read_text())
    return kept


def files(version: str, kinds: str, endings: set[str]) -> list[Path]:
    return sorted(path for path in (FOLDER / version).glob(kinds) if path.suffix in endings)


def beside(path: Path, name: str) -> bytes:
    return path.with_name(name).read_bytes()


def as_shown_then(scores: np.ndarray, path: Path, version: str) -> Any:
    """Today's scores as that version showed them; below zero or not is the same but for a forest's shift."""
    detector = model_parameters(read_pickle(path.read_bytes())).detector if path.suffix == ".pkl" else None
    if path.name.startswith("forest") and version.startswith(SHIFTED):
        return scores + (getattr(detector, "offset", 0.0) + 0.5)
    if path.name.startswith("envelope") and version.startswith(ROOTED):
        limit = -getattr(detector, "offset", 0.0)
        return limit**0.33 - (limit - scores) ** 0.33
    return scores


def answers_as_it_did(path: Path, version: str, detector: Any) -> None:
    kept = answers(version)
    expected = kept["answers"][path.name.partition(".")[0]]
    labels, scores = predicted(detector, np.array(kept["probe"]))
    assert labels == expected["labels"], path.name
    scores = as_shown_then(scores, path, version)
    error = 1e-6 if path.stem == "quantile" and version.startswith(CLIPPED) else 1e-11
    np.testing.assert_allclose(scores, expected["scores"], rtol=1e-12, atol=error, err_msg=path.name)


@pytest.mark.parametrize("version", VERSIONS)
def test_models_of_every_version_predict_as_they_did(version: str) -> None:
    paths = [path for path in files(version, "*", LEGACY) if not path.name.startswith("features")]
    assert {path.name.partition(".")[0] for path in paths} == set(answers(version)["answers"])
    for path in paths:
        detector = imported(path.read_bytes(), partial(beside, path))
        answers_as_it_did(path, version, detector)


@pytest.mark.parametrize("version", ["1.2.2", "1.5.2"])
def test_models_that_skops_saved_predict_as_they_did(version: str) -> None:
    paths = [path for path in files(version, "*", {".skops"}) if not path.name.startswith("features")]
    assert {path.stem for path in paths} == set(answers(version)["answers"])
    for path in paths:
        detector = detector_of(model_parameters(read_skops(path.read_bytes())))
        answers_as_it_did(path, version, detector)


@pytest.mark.parametrize("version", VERSIONS)
def test_models_of_two_features_are_rejected_with_the_version_that_wrote_them(version: str) -> None:
    saved = "" if version == "0.17.1" else rf".*\(saved by scikit-learn {version}\)"
    for path in files(version, "features-*", {".pkl"}):
        with pytest.raises(ModelError, match="expects 2 features, and a reading has one" + saved):
            imported(path.read_bytes())
    for path in files(version, "features-*", {".skops"}):
        with pytest.raises(ModelError, match="expects 2 features, and a reading has one" + saved):
            model_parameters(read_skops(path.read_bytes()))


def test_each_kind_of_model_was_made_by_every_version_that_has_it() -> None:
    since = {"svm": "0.17", "envelope": "0.17", "forest": "0.18", "lof": "0.20", "sgd": "1.0"}
    for kind, first in since.items():
        having = {version for version in VERSIONS if files(version, f"{kind}*", LEGACY)}
        assert having == {version for version in VERSIONS if version >= first}
    assert len(VERSIONS) >= 10


def test_the_command_imports_them_and_its_files_predict_alike(tmp_path: Path) -> None:
    source, models = tmp_path / "old", tmp_path / "new"
    source.mkdir()
    chosen = [
        (version, path)
        for version in (VERSIONS[0], "0.20.4", VERSIONS[-1])
        for path in files(version, "*", {".pkl"})
        if path.name.count(".") == 1 and not path.name.startswith("features")
    ]
    for version, path in chosen:
        os.link(path, source / f"model_{path.stem}_{version}{path.suffix}")
    done = scoring("import-models", source, models)
    assert done.out == f"imported {len(chosen)} of {len(chosen)} models -> {models}\n"
    assert done.code == 0
    for version, path in chosen:
        kept = answers(version)
        detector = load_model(models, SensorKey(path.stem, version)).detector
        labels, _ = detector.predict(np.array(kept["probe"]))
        assert np.where(labels, -1, 1).tolist() == kept["answers"][path.stem]["labels"], (version, path.name)


def test_an_old_joblib_file_without_its_arrays_is_reported_with_what_is_missing() -> None:
    content = (FOLDER / "0.17.1" / "svm-rbf.joblib").read_bytes()
    with pytest.raises(ModelError, match="its arrays are in other files: import it from the folder"):
        read_pickle(content)


def test_the_command_finds_the_arrays_beside_an_old_joblib_file(tmp_path: Path) -> None:
    source, models = tmp_path / "old", tmp_path / "new"
    source.mkdir()
    for path in (FOLDER / "0.17.1").glob("svm-rbf.joblib*"):
        name = "model_1_2" if path.name == "svm-rbf.joblib" else path.name
        os.link(path, source / name)
    done = scoring("import-models", source, models)
    assert (done.code, done.out, done.err) == (0, f"imported 1 of 1 models -> {models}\n", "")
