"""Every status, state and column stands in docs/glossary.md."""

from pathlib import Path

import pytest

from pipeline.engine import StepState
from pipeline.runs.record import RunState
from scoring.formats import (
    DAY_COLUMNS,
    EPISODE_COLUMNS,
    PREDICTION_COLUMNS,
    REJECT_COLUMNS,
    SUMMARY_COLUMNS,
    Direction,
    LandingStatus,
    RejectKind,
    RunOutcome,
    SensorStatus,
)

GLOSSARY = (Path(__file__).parents[1] / "docs" / "glossary.md").read_text("utf-8")


STATES = [*RunState, *StepState, *RunOutcome, *SensorStatus, *LandingStatus]


@pytest.mark.parametrize("state", STATES, ids=repr)
def test_every_state_has_its_own_row(state):
    assert f"\n| `{state}` |" in GLOSSARY


@pytest.mark.parametrize("kind", RejectKind)
def test_every_kind_of_reject_is_explained(kind):
    kinds = GLOSSARY.partition("## Kinds of rejects")[2].partition("\n## ")[0]
    assert f"`{kind}`" in kinds


@pytest.mark.parametrize("direction", Direction)
def test_every_direction_of_an_episode_is_explained(direction):
    (row,) = [line for line in GLOSSARY.splitlines() if line.startswith("| `direction` |")]
    assert f"`{direction}`" in row


def test_the_outcomes_of_a_summary_are_states_of_a_run():
    assert set(map(str, RunOutcome)) <= set(map(str, RunState))


COLUMNS = {*PREDICTION_COLUMNS, *REJECT_COLUMNS, *SUMMARY_COLUMNS, *EPISODE_COLUMNS, *DAY_COLUMNS}


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_every_column_is_explained(column):
    columns = GLOSSARY.partition("## Columns")[2]
    assert f"`{column}`" in columns
