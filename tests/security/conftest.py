"""Fixtures shared with the tests of the pipeline: a small fleet that the local engine scores on Azurite."""

from tests.pipeline.conftest import code, fleet

__all__ = ["code", "fleet"]
