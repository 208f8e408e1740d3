"""Episodes in a report: what it says of them, and what it does where the file is missing or damaged."""

from pathlib import Path

import pytest

from scoring.errors import ScoringError
from scoring.formats import EPISODES_CSV
from scoring.report.episodes import read_episodes
from scoring.report.page import write_report
from tests.scoring.report.finished_runs import MadeRun, MadeSensor, episode, normal


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ""),
        ([episode("a", "1", 5, 5)], ""),
        ([episode("a", "1", 5, 9)], "1 sensor in 1 episode, until 00:00 UTC"),
        ([episode("a", "1", 715, 719)], "1 sensor in 1 episode, still open at 00:59 UTC"),
        (
            [episode("a", "1", 5, 9), episode("a", "1", 90, 99), episode("b", "1", 700, 714)],
            "2 sensors in 3 episodes, the last still open at 00:59 UTC",
        ),
        (
            [episode("a", "1", 5, 9), episode("b", "1", 60, 61)],
            "2 sensors in 2 episodes, the last until 00:05 UTC",
        ),
        ([episode("a", "1", 5, 20_000)], "1 sensor in 1 episode, still open at 2026-01-02 03:46 UTC"),
    ],
)
def test_a_report_says_how_many_sensors_are_in_episodes(
    tmp_path: Path, rows: list[tuple[object, ...]], expected: str
) -> None:
    folder = MadeRun([MadeSensor("a", "1", normal(720))], episodes=rows).write(tmp_path)
    assert read_episodes(folder, 2).sentence == expected
    page = write_report(folder).read_text()
    assert (f'<p class="lead">{expected}</p>' in page) if expected else ('class="lead"' not in page)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "Device,Sensor,start\n1,2,yesterday\n", '"'])
def test_damaged_episodes_are_reported_in_one_line(tmp_path: Path, content: str) -> None:
    folder = MadeRun([MadeSensor("a", "1", normal(720))]).write(tmp_path)
    (folder / EPISODES_CSV).write_text(content)
    with pytest.raises(ScoringError, match="is not the episodes of a run") as caught:
        write_report(folder)
    assert "\n" not in str(caught.value)
