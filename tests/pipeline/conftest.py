"""Fixtures for the tests of runs: a context whose engine is a folder, with something published."""

import pytest

from tests.pipeline.file_engine import Clock, open_context, publish_one_sensor


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def context(store, settings, clock, tmp_path):
    context = open_context(settings, tmp_path / "engine", clock)
    publish_one_sensor(context)
    yield context
    context.store.close()
