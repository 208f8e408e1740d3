"""Fixtures for tests of the development tools."""

from pathlib import Path

import pytest

APPS = Path(__file__).parent / "apps"
BROKEN_APPS = Path(__file__).parents[1] / "broken_apps"


@pytest.fixture
def apps():
    return APPS


@pytest.fixture
def broken_apps():
    return BROKEN_APPS
