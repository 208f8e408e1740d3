"""Folders that cannot be written: reported as such, since trying again does not help."""

import re
from pathlib import Path

import pytest

from scoring.collect.rejects import RowCounter
from scoring.errors import OutputError
from scoring.formats import SUCCESS
from scoring.step.predictions import predictions_of_step
from scoring.step.sensor_limit import SensorLimit
from scoring.success_mark import mark, unmark

SYSTEM = Path("/sys")
"""A folder in which not even root can create files: the kernel's own, or one that does not exist."""


def enter_counter() -> None:
    with RowCounter(SYSTEM, SensorLimit(())):
        pytest.fail("nothing can be written here")


def enter_predictions() -> None:
    with predictions_of_step(SYSTEM, "all"):
        pytest.fail("nothing can be written here")


@pytest.mark.parametrize("write", [enter_counter, enter_predictions, lambda: mark(SYSTEM)])
def test_a_read_only_folder_is_reported_before_any_work(write) -> None:
    with pytest.raises(OutputError, match=r"cannot write /sys.*; choose another path"):
        write()


def test_a_mark_that_cannot_be_removed_is_reported(tmp_path: Path) -> None:
    (tmp_path / SUCCESS).mkdir()
    with pytest.raises(OutputError, match=re.escape(f"cannot write {tmp_path / SUCCESS}: ")):
        unmark(tmp_path)
