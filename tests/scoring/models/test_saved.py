"""Models that other versions of scikit-learn and skops saved; `saved/make.py` made them."""

import json
from pathlib import Path

import numpy as np
import pytest

from scoring.models.detector import detector_of
from scoring.models.files import parameters_from

MODELS = sorted((Path(__file__).parent / "saved").glob("*/*.skops"))


@pytest.mark.parametrize("path", MODELS, ids=[f"{path.parent.name}-{path.stem}" for path in MODELS])
def test_models_answer_as_they_did_where_they_were_saved(path: Path) -> None:
    answers = json.loads((path.parent / "answers.json").read_text("utf-8"))
    model = parameters_from(path.read_bytes())
    assert model.version == path.parent.name
    labels, scores = detector_of(model).predict(np.array(answers["values"]))
    assert labels.tolist() == answers[path.stem]["labels"]
    np.testing.assert_allclose(scores, answers[path.stem]["scores"], rtol=1e-9, atol=1e-12)
