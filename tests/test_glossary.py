"""Every status, state and column stands in docs/glossary.md."""

from pathlib import Path

import pytest

from pipeline.engine import StepState
from pipeline.runs.record import RunState
from scoring.formats import (
    PREDICTION_COLUMNS,
    REJECT_COLUMNS,
    SUMMARY_COLUMNS,
    LandingStatus,
    SensorStatus,
)

GLOSSARY = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text("utf-8")


@pytest.mark.parametrize("state", [*RunState, *StepState, *SensorStatus, *LandingStatus], ids=repr)
def test_every_state_has_its_own_row(state):
    assert f"\n| `{state}` |" in GLOSSARY


@pytest.mark.parametrize("column", sorted({*PREDICTION_COLUMNS, *REJECT_COLUMNS, *SUMMARY_COLUMNS}))
def test_every_column_is_explained(column):
    columns = GLOSSARY.partition("## Columns")[2]
    assert f"`{column}`" in columns
