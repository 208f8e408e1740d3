"""Models that other versions of scikit-learn and skops saved; `saved/make.py` made them."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from scoring.models.detector import detector_of
from scoring.models.files import parameters_from

SAVED = Path(__file__).parent / "saved"
MODELS = sorted(SAVED.glob("*/*.skops"))
PAIRS = sorted(SAVED.glob("*/pairs.tar.xz"))


@pytest.mark.parametrize("path", MODELS, ids=[f"{path.parent.name}-{path.stem}" for path in MODELS])
def test_models_answer_as_they_did_where_they_were_saved(path: Path) -> None:
    answers = json.loads((path.parent / "answers.json").read_text("utf-8"))
    model = parameters_from(path.read_bytes())
    assert model.version == path.parent.name
    labels, scores = detector_of(model).predict(np.array(answers["values"]))
    assert labels.tolist() == answers[path.stem]["labels"]
    np.testing.assert_allclose(scores, answers[path.stem]["scores"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("path", PAIRS, ids=[path.parent.name for path in PAIRS])
def test_every_pair_of_a_transformer_and_a_detector_answers_as_where_it_was_saved(path: Path) -> None:
    with tarfile.open(path) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(content))
        for name, content in members.items()
        if name.endswith(".npy")
    }
    values = arrays.pop("values")
    assert len(arrays) == 12 * 8
    for name, (scores, labels) in arrays.items():
        model = parameters_from(members[f"{name}.skops"])
        assert model.version == path.parent.name
        found = detector_of(model).predict(values)
        assert found[0].tolist() == labels.tolist(), name
        # The terms of a polynomial kernel are up to 2.4e7 here, and cancel each other out nearly.
        near = 4e-9 if name.endswith("svm-poly") else 1e-13 * max(1.0, np.abs(scores).max())
        np.testing.assert_allclose(found[1], scores, rtol=1e-9, atol=near, err_msg=name)
