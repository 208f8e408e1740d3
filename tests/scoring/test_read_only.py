"""Places where nothing can be written: told as such, as trying again does not help."""

import re
from pathlib import Path

import pytest

from scoring.collect.rejects import RowCounter
from scoring.errors import OutputError
from scoring.formats import SUCCESS
from scoring.step.predictions import PredictionFiles
from scoring.success_mark import mark, unmark

SYSTEM = Path("/sys")
"""Where nobody makes files, not even root: the kernel's own folder, or one that is not there."""


def enter_counter() -> None:
    with RowCounter(SYSTEM):
        pytest.fail("nothing can be written here")


def enter_predictions() -> None:
    with PredictionFiles(SYSTEM, "all"):
        pytest.fail("nothing can be written here")


@pytest.mark.parametrize("write", [enter_counter, enter_predictions, lambda: mark(SYSTEM)])
def test_a_folder_that_nothing_can_be_written_to_is_told_before_any_work_is_done(write) -> None:
    with pytest.raises(OutputError, match=r"cannot write /sys.*; choose another path"):
        write()


def test_a_mark_that_cannot_be_taken_away_is_told(tmp_path: Path) -> None:
    (tmp_path / SUCCESS).mkdir()
    with pytest.raises(OutputError, match=re.escape(f"cannot write {tmp_path / SUCCESS}: ")):
        unmark(tmp_path)
