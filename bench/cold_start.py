"""How long the app takes to load, compared with an app that has the same two triggers and empty functions.

Each load is a new Python process with compiled bytecode, like a worker on a machine that has run the app
before. The difference is the cost of this project's imports at a cold start; it has a budget.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

BUDGET_SECONDS = 0.35
ROUNDS = 7
NEVER_IMPORTED = ("azure.ai.ml", "sklearn", "skops", "pandas", "pyarrow", "pydantic")
HEAVIEST = 12

REPO = Path(__file__).resolve().parents[1]

EMPTY_APP = """
import azure.functions as func
{import_blob}
app = func.FunctionApp()

@app.timer_trigger(arg_name="timer", schedule="%SCORING_SCHEDULE%")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:10")
def score_on_timer(timer: func.TimerRequest) -> None:
    pass

@app.blob_trigger(arg_name="blob", path="%SCORING_DATA_CONTAINER%/{{name}}", connection="ScoringStorage")
def score_on_blob(blob: {blob_type}) -> None:
    pass
"""
SDK_TYPE = {
    "import_blob": "from azurefunctions.extensions.bindings.blob import BlobClient",
    "blob_type": "BlobClient",
}
STREAM = {"import_blob": "", "blob_type": "func.InputStream"}

LOAD = "import time; t = time.perf_counter(); import function_app; print(time.perf_counter() - t)"
LOADED = "import function_app, sys; print(*(name for name in {names!r} if name in sys.modules))"

SETTINGS = {
    "ScoringStorage": "UseDevelopmentStorage=true",
    "SCORING_SCHEDULE": "0 0 * * * *",
    "SCORING_DATA_CONTAINER": "data",
}


def main() -> int:
    """Measure and print; returns 1 if the budget is exceeded."""
    with tempfile.TemporaryDirectory() as folder:
        apps = {"this app": REPO}
        for name, blob in (("empty, same triggers", SDK_TYPE), ("empty, InputStream", STREAM)):
            apps[name] = Path(folder) / name
            apps[name].mkdir()
            (apps[name] / "function_app.py").write_text(EMPTY_APP.format(**blob), encoding="utf-8")
        environment = {**os.environ, **SETTINGS, "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for app in apps.values():
            _python(app, environment, LOAD)  # compiles
        rounds = [
            {name: float(_python(app, environment, LOAD)) for name, app in apps.items()}
            for _ in range(ROUNDS)
        ]
        for name in apps:
            print(f"{name:22} {median(each[name] for each in rounds):6.3f} s to load")
        more = median(each["this app"] - each["empty, same triggers"] for each in rounds)
        print(
            f"{'':22} {more:+6.3f} s for its imports (budget {BUDGET_SECONDS} s), median of {ROUNDS} rounds"
        )
        stream = median(each["this app"] - each["empty, InputStream"] for each in rounds)
        print(f"{'':22} {stream:+6.3f} s more than an app that receives blobs without a storage client")
        _print_heaviest(environment)
        found = _python(REPO, environment, LOADED.format(names=NEVER_IMPORTED)).split()
    if found:
        print(f"FAILED: loading the app imports {', '.join(found)}")
    if more > BUDGET_SECONDS:
        print(f"FAILED: loading the app costs {more:.3f} s more than an empty one")
    return 1 if found or more > BUDGET_SECONDS else 0


def _python(app: Path, environment: dict[str, str], code: str) -> str:
    """Run `code` in a new Python process in the folder of an app; returns its output."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=app, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def _print_heaviest(environment: dict[str, str]) -> None:
    """Print the packages with the longest import times, without the packages that they import."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import function_app"],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    times: dict[str, int] = {}
    for line in done.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        if own.strip().isdecimal():
            package = ".".join(rest.partition("|")[2].strip().split(".")[:3])
            times[package] = times.get(package, 0) + int(own)
    print("heaviest packages:")
    for package in sorted(times, key=lambda name: -times[name])[:HEAVIEST]:
        print(f"  {times[package] / 1000:6.1f} ms  {package}")


if __name__ == "__main__":
    sys.exit(main())
