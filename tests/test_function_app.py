"""The files of the function app: a small module, light to import, deployed completely."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import Settings

REPO = Path(__file__).parents[1]
DEPLOYED = {"function_app.py", "host.json", "requirements.txt", "pipeline", "scoring"}


def test_function_app_is_a_short_module():
    assert len((REPO / "function_app.py").read_text(encoding="utf-8").splitlines()) < 80


@pytest.mark.parametrize("engine", ["local", "azureml"])
def test_loading_the_app_imports_no_heavy_packages(engine):
    settings = {"ScoringStorage": "UseDevelopmentStorage=true", "SCORING_ENGINE": engine}
    azureml = {
        "AZURE_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000000",
        "AZURE_RESOURCE_GROUP": "group",
        "AZUREML_WORKSPACE_NAME": "workspace",
        "AZUREML_COMPUTE": "cluster",
    }
    heavy = (
        "azure.ai.ml",
        "azure.monitor",
        "sklearn",
        "skops",
        "pandas",
        "pyarrow",
        "numpy",
        "pydantic",
        "rich",
    )
    code = f"import sys, function_app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPO,
        env={**os.environ, **settings, **azureml},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_example_of_local_settings_is_valid():
    document = json.loads((REPO / "local.settings.example.json").read_text(encoding="utf-8"))
    settings = Settings.from_environment(document["Values"])
    assert document["IsEncrypted"] is False
    assert settings.engine == "local"
    assert settings.blob_source == "LogsAndContainerScan"
    assert {"SCORING_SCHEDULE", "SCORING_DATA_CONTAINER", "AzureWebJobsStorage"} <= document["Values"].keys()


def test_the_host_moves_a_blob_to_the_poison_queue_after_five_tries():
    document = json.loads((REPO / "host.json").read_text(encoding="utf-8"))
    assert document["version"] == "2.0"
    assert document["extensions"]["blobs"]["poisonBlobThreshold"] == 5
    assert document["telemetryMode"] == "OpenTelemetry"


def test_func_publishes_an_allow_list_too():
    lines = (REPO / ".funcignore").read_text(encoding="utf-8").split()
    assert lines[0] == "/*"
    assert {line.removeprefix("!/") for line in lines if line.startswith("!")} == DEPLOYED
