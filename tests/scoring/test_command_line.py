"""Command lines that are interrupted."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MAIN = """
import sys
from scoring.command_line import CommandLine

sys.exit(CommandLine("own", "1", "", {"stop": "stop"}, lambda error: None).run(["stop"]))
"""
STOP = """
def add_arguments(parser):
    pass

def run(args):
    exec("raise KeyboardInterrupt")
"""


def test_an_interrupt_exits_with_130_even_if_it_came_while_python_ran_code_from_a_text(
    tmp_path: Path,
) -> None:
    commands = tmp_path / "own" / "commands"
    commands.mkdir(parents=True)
    (tmp_path / "own" / "__main__.py").write_text(MAIN)
    (commands / "stop.py").write_text(STOP)
    done = subprocess.run(
        [sys.executable, "-m", "own"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "error: interrupted\n")
