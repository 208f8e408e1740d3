"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def seed() -> Path:
    """The folder of real readings, models and expected answers, from FLEET_SEED or beside the repository."""
    beside = Path(__file__).parents[2] / "shared" / "seed"
    folder = Path(os.environ.get("FLEET_SEED", beside))
    if not (folder / "sensor_data.csv").is_file():
        pytest.skip(f"no seed data in {folder}: set FLEET_SEED")
    return folder
