"""How fast runs are submitted to the Azure ML emulator, as ratios measured in one session.

  floor    the bare PUT of a job: the same body over one open connection, without the SDK
  engine   the engine's `submit`: the SDK builds the job, adds its tokens and sends the PUT
  landing  `submit_landing`: the same, plus the storage requests for exactly-once submission
  cold     a new process from its start to its first submission by a trigger, which imports azure.ai.ml beside
           its requests to storage; compared with a process that only imports azure.ai.ml

It runs outside any git checkout, like a deployed app: inside one, the SDK calls git five times per job.
Returns 1 if a budget is exceeded.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any

import requests

from dev.azureml.identity import make_token
from dev.azurite import Azurite
from pipeline.clock import utc_now
from pipeline.engines.azureml.engine import AzureMLEngine
from pipeline.flow.context import Context
from pipeline.flow.submit import submit_landing
from pipeline.published.publish import publish
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState
from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
WARM, COLD = 60, 5
SENSORS = 15

WARM_BUDGET = 12.0
"""Largest ratio of the engine's `submit` to the bare PUT."""
COLD_BUDGET = 1.5
"""Largest ratio of a cold process to the import of azure.ai.ml alone."""

IMPORT = "import azure.ai.ml, azure.identity, time; print(time.time())"
COLD_APP = """
import sys, time
from pipeline.flow.triggers import context
from pipeline.flow.submit import submit_landing
submit_landing(context(), sys.argv[1])
print(time.time())
"""


def main() -> int:
    """Measure and print; returns 1 if a budget is exceeded."""
    with Azurite() as azurite, tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        emulator, environment = start_emulator(azurite.connection_string)
        try:
            os.environ.update(environment)
            context = Context.open(Settings.from_environment(os.environ))
            prepare(context)
            return compare(measure(context))
        finally:
            emulator.terminate()
            emulator.wait()


def start_emulator(connection: str) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    """Start the emulator in its own process, without running jobs; returns it and its settings."""
    settings = {
        "ScoringStorage": connection,
        "SCORING_ENGINE": "azureml",
        "AZUREML_COMPUTE": "cpu-cluster",
        "SCORING_MAX_ACTIVE_RUNS": "10000",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "dev.azureml", "--processes", "0"],
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("export "):
            name, _, text = line.removeprefix("export ").strip().partition("=")
            settings[name] = text.strip("'")
        elif "listens on" in line:
            break
    return process, settings


def prepare(context: Context) -> None:
    """Publish a pipeline in the workspace; its models are never read."""
    store = context.store
    for container in (store.data, store.models, store.preds, store.runs):
        container.ensure()
    for number in range(SENSORS):
        store.models.put(f"model_{number}_1.skops", b"a model")
    assert isinstance(context.engine, AzureMLEngine)
    context.engine.set_up()
    publish(context.store, context.settings, context.engine)


def measure(context: Context) -> dict[str, float]:
    """Seconds per submission, for each way."""
    published = context.published()
    submit_landing(context, new_blob(context))  # opens connections and fetches tokens
    records = [record() for _ in range(WARM)]
    engine = [timed(lambda one=one: context.engine.submit(one, published)) for one in records]
    cold = [cold_start(context) for _ in range(COLD)]
    return {
        "floor": floor(context),
        "engine": median(engine),
        "landing": median(landings(context)),
        "cold": median(whole for whole, _ in cold),
        "import": median(imported for _, imported in cold),
    }


def record() -> RunRecord:
    """The record of a new run."""
    run = f"bench-{uuid.uuid4().hex}"
    cause = Cause(CauseKind.MANUAL, "bench")
    return RunRecord(run=run, cause=cause, state=RunState.PENDING, published="", created=utc_now())


def new_blob(context: Context) -> str:
    """Upload new readings; returns the blob's name."""
    name = f"{uuid.uuid4().hex}.csv"
    context.store.data.put(name, b"TS,Device,Sensor,Value\n")
    return name


def landings(context: Context) -> list[float]:
    """Seconds per landing."""
    names = [new_blob(context) for _ in range(WARM)]
    return [timed(lambda name=name: submit_landing(context, name)) for name in names]


def timed(call: Any) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def cold_start(context: Context) -> tuple[float, float]:
    """Seconds from the start of a process to its first submission, and to the end of the import alone."""
    name = new_blob(context)
    return until_printed(COLD_APP, name), until_printed(IMPORT)


def until_printed(code: str, *given: str) -> float:
    """Seconds from the start of a process to the time that it prints."""
    began = time.time()
    command = [sys.executable, "-c", code, *given]
    child = subprocess.run(command, env=os.environ, check=True, capture_output=True, text=True)
    return float(child.stdout.split()[-1]) - began


def floor(context: Context) -> float:
    """Seconds per bare PUT."""
    assert isinstance(context.engine, AzureMLEngine)
    workspace = context.engine.workspace
    folder = {"jobInputType": "uri_folder", "uri": "azureml://datastores/scoring_data/paths/"}
    body = {
        "properties": {
            "jobType": "Pipeline",
            "componentId": context.published().component,
            "experimentName": "bench",
            "inputs": {
                "data": folder,
                "models": folder,
                "manifest": {"jobInputType": "uri_file", "uri": "azureml://datastores/scoring_runs/paths/x"},
                "run": {"jobInputType": "literal", "value": "bench"},
            },
            "settings": {"default_compute": workspace.compute_id},
        }
    }
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {make_token('https://management.azure.com', 1 << 40)}"
        session.headers["x-azureml-token"] = make_token("https://ml.azure.com", 1 << 40)

        def put() -> None:
            address = f"{os.environ['AZUREML_DEV_URL_MFE']}{workspace.arm_id}/jobs/{uuid.uuid4().hex}"
            query = {"api-version": "2024-01-01-preview"}
            session.put(address, params=query, data=json.dumps(body), timeout=30).raise_for_status()

        put()
        return median(timed(put) for _ in range(WARM))


def compare(seconds: dict[str, float]) -> int:
    """Print the measurements and compare them with the budgets."""
    ms = {name: 1000 * one for name, one in seconds.items()}
    engine = seconds["engine"] / seconds["floor"]
    cold = seconds["cold"] / seconds["import"]
    print(f"floor    {ms['floor']:8.1f} ms a PUT")
    print(
        f"engine   {ms['engine']:8.1f} ms, {1 / seconds['engine']:.0f} per second: {engine:.1f} x the floor"
    )
    print(f"landing  {ms['landing']:8.1f} ms, {1 / seconds['landing']:.0f} per second")
    print(f"cold     {ms['cold']:8.0f} ms: {cold:.2f} x the import of azure.ai.ml alone")
    kept = engine <= WARM_BUDGET and cold <= COLD_BUDGET
    print(
        f"budgets: engine at most {WARM_BUDGET:g} x the floor, cold at most {COLD_BUDGET:g} x the import: "
        f"{'kept' if kept else 'NOT KEPT'}"
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
