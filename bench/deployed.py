"""How small the deployed app is and how fast it starts, beside the repository with all that it requires.

Both are installed from their lock files into environments of their own. Each start is a new Python process
with compiled bytecode; processor seconds, as ratios in one run.

  app          what infra/assemble.py assembles, with requirements-app.txt
  repository   function_app.py here, with requirements.txt, which `func start` with the local engine needs
  telemetry    what the Functions worker imports before the app, if Application Insights is connected
  azure.ai.ml  what the first submission needs; the app imports it beside its requests to storage
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROUNDS = 5
SIZE_BUDGET = 0.4
"""Largest ratio of the sizes of both environments."""
START_BUDGET = 1.2
"""Largest ratio of the processor time of both starts."""

REPO = Path(__file__).resolve().parents[1]
SETTINGS = {
    "ScoringStorage": "UseDevelopmentStorage=true",
    "SCORING_SCHEDULE": "0 0 * * * *",
    "SCORING_DATA_CONTAINER": "data",
    "SCORING_PREDS_CONTAINER": "preds",
}
IMPORTS = {
    "telemetry": "import azure.monitor.opentelemetry",
    "azure.ai.ml": "import azure.ai.ml, azure.identity",
}


def main() -> int:
    """Measure and print; returns 1 if a budget is exceeded."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        app = place / "app"
        subprocess.run([sys.executable, REPO / "infra" / "assemble.py", app], check=True, capture_output=True)
        small = installed(REPO / "requirements-app.txt", place / "small")
        whole = installed(REPO / "requirements.txt", place / "whole")
        sizes = {"app": size(small) + size(app), "repository": size(whole)}
        bytecode = {"PYTHONPYCACHEPREFIX": str(place / "bytecode")}
        starts = {
            "app": (small, app, "import function_app"),
            "repository": (whole, REPO, "import function_app"),
            **{name: (small, app, code) for name, code in IMPORTS.items()},
        }
        for start in starts.values():
            seconds(*start, bytecode)  # compiles
        rounds = [{name: seconds(*start, bytecode) for name, start in starts.items()} for _ in range(ROUNDS)]
    for name, of_app in sizes.items():
        print(f"{name:12} {of_app / 1e6:6.0f} MB installed")
    for name in starts:
        took = median(each[name] for each in rounds)
        ratio = median(each[name] / each["app"] for each in rounds)
        print(f"{name:12} {took:6.2f} CPU s: {ratio:.2f} x the start of the app")
    smaller = sizes["app"] / sizes["repository"]
    faster = median(each["app"] / each["repository"] for each in rounds)
    kept = smaller <= SIZE_BUDGET and faster <= START_BUDGET
    print(f"app / repository: size {smaller:.2f} (budget {SIZE_BUDGET}), start {faster:.2f} ({START_BUDGET})")
    print("budgets kept" if kept else "budgets NOT KEPT")
    return 0 if kept else 1


def installed(lock: Path, place: Path) -> Path:
    """An environment with what the lock file pins."""
    uv = str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, place], check=True)
    command = [uv, "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)]
    subprocess.run(command, check=True, env={**os.environ, "VIRTUAL_ENV": str(place)})
    return place


def size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def seconds(environment: Path, app: Path, code: str, bytecode: dict[str, str]) -> float:
    """Processor seconds of a new process that runs `code` in the folder of an app."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    given = {**os.environ, **SETTINGS, **bytecode, "PYTHONPATH": str(app)}
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    python = environment / "bin" / "python"
    subprocess.run([python, "-c", code], cwd=app, env=given, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
