"""What is done with a model and with a legacy file while documents are damaged: all up to its predictions."""

import numpy as np

from scoring.errors import ModelError
from scoring.legacy.compression import unpacked
from scoring.legacy.unpickle import read_pickle
from scoring.legacy.write import skops_bytes
from scoring.models.detector import detector_of
from scoring.models.encoding import encode
from scoring.models.interpret import model_parameters
from scoring.models.parameters import ModelParameters
from scoring.models.skops import read_skops

PROBE = np.concatenate([np.linspace(-100.0, 100.0, 50), [-1e300, 1e300, 0.0, 5e-324]])
MOST_WORDS = 2000
"""Characters of an error."""


def model_file(content: bytes) -> None:
    """Read a .skops file, and predict; an exception that scoring would turn into a ModelError is a bug."""
    try:
        parameters = model_parameters(read_skops(content))
    except ModelError as error:
        check_words(str(error))
    else:
        _predict(parameters)


def legacy_file(content: bytes) -> None:
    """Read a legacy file, predict, and see that what is saved of it is the same."""
    try:
        document = read_pickle(unpacked(content))
        parameters = model_parameters(document)
        saved = skops_bytes(document)
    except ModelError as error:
        check_words(str(error))
    else:
        _predict(parameters)
        assert encode(model_parameters(read_skops(saved))) == encode(parameters), (
            "it was saved with other numbers"
        )


def check_words(words: str) -> None:
    """An error is one line that can be read."""
    assert words.strip(), "an error says nothing"
    assert "\n" not in words, f"more than one line: {words!r}"
    assert len(words) <= MOST_WORDS, f"{len(words)} characters: {words[:200]!r}"


def _predict(parameters: ModelParameters) -> None:
    labels, scores = detector_of(parameters).predict(PROBE)
    assert len(labels) == len(scores) == len(PROBE)
    assert not np.isnan(scores).any()
