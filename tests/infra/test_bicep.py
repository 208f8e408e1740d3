"""The templates against the code that they serve: names, settings, roles, versions."""

import re
import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

from pipeline.settings import Containers

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "infra").rglob("*.bicep"))

HOST_SETTINGS = {
    # Read by the Functions host, by the blob extension or by azure-identity, not by our code.
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "AZURE_CLIENT_ID",
    "ScoringStorage__queueServiceUri",
}
LEFT_TO_DEFAULTS = {
    # Read by our code, sensible as they are, and changed by hand where they are not.
    "SCORING_GRACE_MINUTES",
    "SCORING_MAX_ACTIVE_RUNS",
    "SCORING_MAX_STEPS",
    "SCORING_MAX_REJECTED",
    "SCORING_MAX_ROW_MB",
    "SCORING_MAX_TRIES",
    "SCORING_MAX_UNPACKED_MB",
    "SCORING_PENDING_MINUTES",
    "SCORING_SHARDS",
    "SCORING_TIMER_MODE",
    # The local engine's own, and a connection string is for Azurite only.
    "SCORING_LOCAL_PROCESSES",
    "SCORING_STEP_MINUTES",
    "SCORING_STEP_TRIES",
    "ScoringStorage",
}


@cache
def parsed(path: Path) -> Any:
    return BicepParser().parse(file_path=path)


def template(name: str) -> Any:
    return parsed(ROOT / "infra" / name)


def config(resource: Any) -> Any:
    """A resource's or module's body, also where it is created on a condition only."""
    body = resource["config"]
    return body["config"] if "condition" in body else body


def app_settings() -> dict[str, Any]:
    settings = template("modules/function-app.bicep")["resources"]["settings"]
    return dict(config(settings)["properties"])


def settings_read_by_the_code() -> set[str]:
    names: set[str] = set()
    for path in [*(ROOT / "pipeline").rglob("*.py"), ROOT / "function_app.py"]:
        text = path.read_text()
        names |= set(
            re.findall(r'"(SCORING_[A-Z_]+|AZURE_[A-Z_]+|AZUREML_[A-Z_]+|APPLICATIONINSIGHTS_[A-Z_]+)"', text)
        )
        names |= set(re.findall(r"%(SCORING_[A-Z_]+)%", text))
    names |= {f"SCORING_{field.name.upper()}_CONTAINER" for field in fields(Containers)}
    suffixes = re.findall(r'f"\{CONNECTION\}(__\w+)"', (ROOT / "pipeline" / "settings.py").read_text())
    return names | {"ScoringStorage"} | {f"ScoringStorage{suffix}" for suffix in suffixes}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_template_parses(path: Path) -> None:
    assert parsed(path)["globals"]["scope"]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_reads_a_key_or_holds_a_secret(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"listKeys|listAccountSas|AccountKey=|SharedAccessKey", text, re.IGNORECASE)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_parameter_and_variable_is_used(path: Path) -> None:
    document, text = parsed(path), path.read_text()
    for name in [*document.get("parameters", {}), *document.get("variables", {})]:
        assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{name} is declared and never used"


def test_every_module_gets_just_the_parameters_that_it_declares() -> None:
    for name, module in template("main.bicep")["modules"].items():
        given = set(config(module)["params"])
        declared = template(module["detail"]["path"])["parameters"]
        assert given <= set(declared), name
        required = {key for key, value in declared.items() if value.get("default") is None}
        assert required <= given, name


def test_every_role_assignment_is_in_the_table_with_its_role() -> None:
    table = (ROOT / "docs" / "operations.md").read_text()
    for path in TEMPLATES:
        document = parsed(path)
        for name, resource in document.get("resources", {}).items():
            if resource["type"] != "Microsoft.Authorization/roleAssignments":
                continue
            definition = config(resource)["properties"]["roleDefinitionId"]
            role = definition["function"]["parameters"]["resource_name_1"]
            role_id = document["variables"][role]["value"]
            row = next((line for line in table.splitlines() if f"`{name}`" in line), "")
            assert role_id[:8] in row, f"{name} ({role}) is not in the table of docs/operations.md"


def test_every_setting_that_the_code_reads_is_set_or_known_to_have_a_good_default() -> None:
    assert settings_read_by_the_code() - set(app_settings()) == LEFT_TO_DEFAULTS


def test_every_setting_that_is_set_is_read() -> None:
    assert set(app_settings()) - settings_read_by_the_code() == HOST_SETTINGS


def test_containers_have_the_names_that_the_settings_expect() -> None:
    names = template("main.bicep")["variables"]["containers"]["value"]
    defaults = Containers()
    assert names == {name: getattr(defaults, name) for name in ("data", "models", "preds", "runs")}


def test_the_app_runs_the_python_that_the_project_is_written_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    app = config(template("modules/function-app.bicep")["resources"]["app"])["properties"]
    assert project["requires-python"] == ">=" + app["functionAppConfig"]["runtime"]["version"]


def test_the_events_subscription_watches_the_data_container_and_committed_blobs_only() -> None:
    hook = (ROOT / "infra" / "hooks" / "postdeploy.sh").read_text()
    assert f"--subject-begins-with /blobServices/default/containers/{Containers().data}/" in hook
    assert "data.api StringIn PutBlob PutBlockList CopyBlob FlushWithClose" in hook
    assert "Host.Functions.score_on_blob" in hook
