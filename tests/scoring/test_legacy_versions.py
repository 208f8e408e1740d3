"""Pickles that real old versions of scikit-learn made, and what those versions answered (`legacy_models`)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scoring.errors import ModelError, ModelRefused
from scoring.legacy import read_pickle
from scoring.legacy_estimators import convert

FOLDER = Path(__file__).parent / "legacy_models"
VERSIONS = sorted(path.parent.name for path in FOLDER.glob("*/answers.json"))


def answers(version: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / version / "answers.json").read_text())
    return told


def pickles(version: str, kinds: str = "*") -> list[Path]:
    return sorted(p for p in (FOLDER / version).glob(f"{kinds}.*") if p.name != "answers.json")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["svm", "minmax", "maxabs", "robust"])
def test_models_of_every_version_answer_as_they_did(version: str, kind: str) -> None:
    told = answers(version)
    probe = np.array(told["probe"])[:, None]
    paths = pickles(version, f"{kind}*")
    assert paths
    for path in paths:
        if (version, path.suffix) == ("0.17.1", ".joblib"):
            continue
        model = convert(read_pickle(path.read_bytes()))
        expected = told["answers"][path.name.partition(".")[0]]
        assert model.predict(probe).tolist() == expected["labels"], path.name
        scores = model.decision_function(probe)
        np.testing.assert_allclose(scores, expected["scores"], rtol=1e-12, err_msg=path.name)


def test_joblib_files_whose_arrays_are_in_other_files_are_refused() -> None:
    with pytest.raises(ModelRefused, match="NDArrayWrapper"):
        read_pickle((FOLDER / "0.17.1" / "svm-rbf.joblib").read_bytes())
    with pytest.raises(ModelError, match="is no pickle that can be read"):
        read_pickle((FOLDER / "0.17.1" / "svm-rbf.zlib.joblib").read_bytes())
