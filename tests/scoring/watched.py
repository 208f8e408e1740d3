"""Runs a command of `scoring` in a process that records what it must never do."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WATCH = """\
import os, sys
sys.path.insert(0, sys.argv[1])
log, allowed = open(sys.argv[2], "w"), [os.path.realpath(path) for path in sys.argv[3].split(os.pathsep)]
NEVER = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pickle.")
MODULES = ("antigravity", "sklearn", "skops", "joblib", "scipy")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def hook(event, args):
    if event.startswith(NEVER) or (event == "import" and args[0].partition(".")[0] in MODULES):
        print(event, args, file=log, flush=True)
    elif event == "open" and isinstance(args[0], str) and isinstance(args[2], int) and args[2] & WRITING:
        path = os.path.realpath(args[0])
        if path != os.devnull and not any(path.startswith(folder + os.sep) for folder in allowed):
            print("write", path, file=log, flush=True)
sys.dont_write_bytecode = True
"""

_COMMAND = f"""{WATCH}
import scoring.cli
import numpy, pyarrow
sys.addaudithook(hook)
sys.exit(scoring.cli.main(sys.argv[4:]))
"""


def watched(folder: Path, writes: list[Path], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command, and see that it starts nothing, connects nowhere and writes nothing elsewhere.

    Nor does it import what models are made with: nothing of a model's file is a name that is followed.
    """
    log = folder / "audit.log"
    allowed = os.pathsep.join(map(str, writes))
    command = [sys.executable, "-c", _COMMAND, str(ROOT), str(log), allowed, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert log.read_text() == ""
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr
    return done
