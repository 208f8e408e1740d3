"""The targets of the Makefile, in any order: nothing is installed twice, and nothing is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
SCRIPT = "#!/bin/bash\n"
NPM = f"""{SCRIPT}if [ "$1" = ci ]; then
    echo "npm ci" >> ../log
    rm -rf node_modules
    mkdir -p node_modules
    touch node_modules/.package-lock.json
fi
"""
VENV = f"""{SCRIPT}echo "pip ${{2:-}}" >> log
mkdir -p "$1/bin"
ln -sf /bin/true "$1/bin/python"
sleep 0.02
bash dev/install-azurite.sh "$1"
"""
RUN, DEV, AZURITE = "pip requirements-run.txt", "pip requirements-dev.txt", "npm ci"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile and the script that installs Azurite; npm and what fills .venv only log that they ran."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("Makefile", "dev/install-azurite.sh"):
        shutil.copy(REPO / name, tmp_path / name)
    for name in ("requirements-run.txt", "requirements-dev.txt", "dev/package-lock.json"):
        (tmp_path / name).touch()
    (tmp_path / "dev" / "setup.sh").write_text(VENV)
    for name, text in (("npm", NPM), ("node", SCRIPT), ("sleep", f"{SCRIPT}exec /bin/sleep 0.05\n")):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    past = 1_700_000_000
    for file in tmp_path.rglob("*"):
        os.utime(file, (past, past))
    return tmp_path


def make(project: Path, *targets: str) -> list[str]:
    """Run make for each target; returns what was installed."""
    path = f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}"
    log = project / "log"
    log.write_text("")
    for target in targets:
        command = ["make", "-s", target]
        subprocess.run(command, cwd=project, env={**os.environ, "PATH": path}, check=True, timeout=60)
    return log.read_text().splitlines()


@pytest.mark.parametrize(
    ("targets", "installed"),
    [
        ("run run start", [RUN, AZURITE]),
        ("run setup run start setup format", [RUN, AZURITE, DEV]),
        ("setup run start format", [DEV, AZURITE]),
    ],
)
def test_no_order_of_targets_installs_anything_twice(project, targets, installed):
    assert make(project, *targets.split()) == installed


@pytest.mark.parametrize("target", ["run", "start", "setup"])
def test_a_folder_that_was_removed_is_installed_again(project, target):
    make(project, "setup")
    shutil.rmtree(project / "dev" / "node_modules")
    assert make(project, target, target) == [AZURITE]
    shutil.rmtree(project / ".venv")
    assert make(project, target, target) == [DEV if target == "setup" else RUN]


def test_a_lock_file_that_changes_is_installed(project):
    make(project, "setup")
    (project / "dev" / "package-lock.json").write_text("{}")
    assert make(project, "run", "setup") == [RUN, AZURITE, DEV]
    (project / "requirements-dev.txt").write_text("new")
    assert make(project, "run", "setup", "run") == [DEV]
