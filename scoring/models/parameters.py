"""The typed parameters of a model: what prediction needs, and nothing else.

They are the one representation of a model, from a file of any kind, and are checked when they are made:
numbers are finite, shapes fit together, every index leads to what is there, and sizes are bounded. Evaluators
rely on it. Arrays are float64 or int32, C-contiguous.
"""

from dataclasses import dataclass, fields

import numpy as np

from scoring.errors import ModelError
from scoring.models.detector_parameters import DETECTOR_KINDS, DetectorParameters, Forest
from scoring.models.parameter_checks import MOST_NUMBERS, MOST_STEPS, expect
from scoring.models.transformer_parameters import TRANSFORMER_KINDS, Transformer


@dataclass(frozen=True, slots=True, eq=False)
class ModelParameters:
    """A model: transformers, in order, and the detector at their end; made for readings of one feature.

    Raises (all of these classes):
        ModelError: they cannot be the parameters of a fitted model.
    """

    transformers: tuple[Transformer, ...]
    detector: DetectorParameters
    version: str | None = None
    """Of the scikit-learn that fitted it, where known."""

    def __post_init__(self) -> None:
        expect(len(self.transformers) <= MOST_STEPS, f"has more than {MOST_STEPS} transformers")
        count = 1
        for step in self.transformers:
            expect(isinstance(step, TRANSFORMER_KINDS), "has a step that is not a transformer")
            _expect_features(step.features_in, count)
            count = step.features_out
        expect(isinstance(self.detector, DETECTOR_KINDS), "does not end in a detector")
        _expect_features(self.detector.features_in, count)
        if any(step.features_out > 1 for step in self.transformers):
            parts = [*self.transformers, *([] if isinstance(self.detector, Forest) else [self.detector])]
            numbers = sum(map(_array_numbers, parts))
            expect(
                numbers <= MOST_NUMBERS,
                f"combines each reading with more than {MOST_NUMBERS:,} numbers: train a smaller one",
            )


def _array_numbers(part: Transformer | DetectorParameters) -> int:
    arrays = (getattr(part, field.name) for field in fields(part))
    return sum(array.size for array in arrays if isinstance(array, np.ndarray))


def _expect_features(expected: int, found: int) -> None:
    if expected == found:
        return
    if found == 1:
        raise ModelError(
            f"expects {expected} features, and a reading has one: its Value; train a model per sensor"
        )
    raise ModelError(f"has a step that expects {expected} features where {found} come in; save it again")
