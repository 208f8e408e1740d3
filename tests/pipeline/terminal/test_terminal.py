"""Output of `runs`, `status` and `watch` on a terminal and in a file."""

import os
import re
import subprocess
import sys
from datetime import timedelta

import pytest

from dev.azurite import connection_string
from pipeline.clock import utc_now
from pipeline.engine import StepState
from pipeline.engines.local.step_states import StepStates
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.runs.store import Runs
from pipeline.terminal.tables import show_table
from tests.terminal import COLUMNS, CONTROL, colours, frames, in_terminal, screen

pytestmark = pytest.mark.usefixtures("measured")

SENSIBLE = {"TERM": "xterm-256color"}
NO_COLOUR = {"TERM": "xterm-256color", "NO_COLOR": "1"}
DUMB = {"TERM": "dumb"}
COUNTS = {"readings": 17768, "scored": 17768, "anomalies": 6757, "sensors": 15}
LONG = "blob-419d3dd18da1ad9edd00c3ba7f8a2101-2"
HOSTILE = "2018/\x1b]0;title\x07\x1b[2J/very/long/name/of/a/blob/that/somebody/has/thought/of/\r.csv"


@pytest.fixture
def run_in_terminal(environment):
    def run(*arguments, **terminal) -> str:
        code, written = in_terminal(
            [sys.executable, "-m", "pipeline", *arguments], usual() | environment | terminal
        )
        assert code == 0, written
        return written

    return run


def usual() -> dict[str, str]:
    return {
        name: text
        for name, text in os.environ.items()
        if name not in {"TERM", "NO_COLOR", "COLUMNS", "LINES"}
    }


def piped(environment, *arguments) -> str:
    """Output and errors of a command without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        env=usual() | environment | SENSIBLE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    return done.stdout


def test_storage_that_does_not_respond_is_a_line_for_each_try_not_for_each_request(environment, tmp_path):
    for sensor in range(30):
        (tmp_path / f"model_1_{sensor}.skops").write_bytes(b"model")
    closed = environment | {"ScoringStorage": connection_string(1)}
    lines = piped(closed, "upload", "--models", str(tmp_path)).splitlines()
    assert [line.rpartition("(")[2] for line in lines[:-1]] == [f"{n} of 5)" for n in (2, 3, 4, 5)]
    assert "does not respond" in lines[-1]


@pytest.fixture
def made(store) -> str:
    """A finished run: two steps succeeded, one failed, and its blob has a hostile name."""
    runs = Runs(store, utc_now)
    began = utc_now()
    pending = RunRecord(
        run=LONG, cause=Cause(CauseKind.BLOB, HOSTILE), state=RunState.PENDING, published="v1", created=began
    )
    runs.advance(runs.create(pending), RunState.PARTLY, counts=COUNTS, error="sensor 1/2 failed: \x1b[31mred")
    moments = iter([began + timedelta(seconds=number) for number in (0, 0, 0, 3, 5, 90)])
    states = StepStates(
        ["score_1_1", "score_1_2", "score_1_3", "collect"], store.runs, LONG, lambda: next(moments)
    )
    for name in ("score_1_1", "score_1_2", "score_1_3"):
        states.begins(name)
    states.ends("score_1_1", StepState.SUCCEEDED)
    states.ends("score_1_2", StepState.FAILED, f"the model is refused: {'because ' * 12}")
    states.ends("score_1_3", StepState.SUCCEEDED)
    states.write()
    return LONG


@pytest.mark.parametrize("terminal", [SENSIBLE, NO_COLOUR, DUMB], ids=["colours", "no colour", "dumb"])
def test_tables_fit_the_terminal_and_never_cut_a_name_that_other_commands_need(
    run_in_terminal, made, terminal
):
    written = run_in_terminal("runs", **terminal)
    assert not CONTROL.search(written)
    assert "\x07" not in written
    lines = screen(written)
    assert max(map(len, lines)) <= COLUMNS
    assert lines[0].split()[:2] == ["RUN", "STATE"]
    assert lines[1].startswith(f"{made}  partly ")
    assert lines[2].startswith("    readings 17,768, anomalies 6,757, cause")
    assert lines[3].startswith("    ")


def test_status_shows_failed_steps_first_and_then_the_slowest(run_in_terminal, made):
    written = run_in_terminal("status", made, **SENSIBLE)
    assert not CONTROL.search(written)
    lines = screen(written)
    steps = [line.split()[0] for line in lines if re.match("score_|collect", line)]
    assert steps == ["score_1_2", "collect", "score_1_3", "score_1_1"]
    why = lines[lines.index(next(line for line in lines if line.startswith("score_1_2"))) + 1]
    assert why.startswith("    error the model is refused: because")
    assert max(len(line) for line in lines if "because" in line) <= COLUMNS


def test_tables_in_a_file_have_a_line_for_each_row(environment, made):
    lines = piped(environment, "runs").splitlines()
    assert len(lines) == 3
    assert lines[2] == "no sweep has finished yet"
    assert lines[1].startswith(f"{made}  partly ")
    assert "17,768" in lines[1]
    assert not CONTROL.search(piped(environment, "runs") + piped(environment, "status", made))


@pytest.mark.parametrize("terminal", [SENSIBLE, NO_COLOUR], ids=["colours", "no colour"])
def test_watch_shows_a_bar_that_fits_the_terminal(environment, fleet, terminal):
    fleet.models(s1_1="sleep 1", s1_2="fail because", s1_3="score")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1", "1_2", "1_3"))
    code, written = in_terminal(
        [sys.executable, "-m", "pipeline", "watch", run], usual() | environment | terminal
    )
    assert code == 1, "not all of it was scored"
    assert max(map(len, frames(written.partition("partly")[0]))) <= COLUMNS
    last = screen(written)
    assert any(re.fullmatch(r"partly    ━+ 4 of 4 steps 0:00:\d\d", line) for line in last), last
    assert [line for line in last if "because" in line] == ["score_1_2: because"]
    assert last[-1] == f"4 readings scored, 0 anomalies: python -m pipeline report {run} shows them"
    assert bool(colours(written)) is (terminal is SENSIBLE)


def test_watch_prints_a_line_for_each_change_without_a_terminal(environment, fleet):
    fleet.models(s1_1="score", s1_2="fail because")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1", "1_2"))
    written = piped(environment, "watch", run)
    assert not CONTROL.search(written)
    assert "\r" not in written
    lines = written.splitlines()
    assert all(line.startswith(f"{run}: ") for line in lines[:-2])
    assert re.fullmatch(rf"{run}: partly \(1 failed, 2 succeeded\)", lines[-3])
    assert lines[-2] == "sensor 1/2 failed: because"
    assert lines[-1].startswith("2 readings scored")


def test_watch_prints_lines_on_a_dumb_terminal(environment, fleet):
    fleet.models(s1_1="score")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    code, written = in_terminal(
        [sys.executable, "-m", "pipeline", "watch", run], usual() | environment | DUMB
    )
    assert code == 0
    assert "\x1b" not in written
    assert screen(written)[-2] == f"{run}: succeeded (2 succeeded)"


def test_wide_characters_keep_their_columns_in_line(capsys):
    """Characters of Chinese, Japanese and Korean take two columns of a terminal each."""
    show_table(("SENSOR", "STATE"), [("温度/1", "failed"), ("temp/1", "scored")])
    assert capsys.readouterr().out.splitlines() == ["SENSOR  STATE", "温度/1  failed", "temp/1  scored"]
