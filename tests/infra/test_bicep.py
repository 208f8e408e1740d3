"""The templates against the code that they serve: names, settings, roles, versions."""

import json
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
    "AZURE_AUTHORITY_HOST",
    "AZUREML_CURRENT_CLOUD",
    "ScoringStorage__queueServiceUri",
}
LEFT_TO_DEFAULTS = {
    # Read by our code; the defaults fit, and can be changed by hand.
    "SCORING_EPISODE_GAP",
    "SCORING_EPISODE_LEAST",
    "SCORING_GRACE_MINUTES",
    "SCORING_HOLD_MINUTES",
    "SCORING_MAPPING",
    "SCORING_LATE_EVENT_MINUTES",
    "SCORING_MAX_ACTIVE_RUNS",
    "SCORING_MAX_STEPS",
    "SCORING_MAX_REJECTED",
    "SCORING_SILENT_AFTER",
    "SCORING_MAX_ROW_MB",
    "SCORING_MAX_TRIES",
    "SCORING_MAX_UNPACKED_MB",
    "SCORING_PENDING_MINUTES",
    "SCORING_SHARDS",
    "SCORING_TIMER_MODE",
    # For the local engine only, and a connection string for Azurite only.
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


def path_of(value: Any) -> str:
    """The value at `a.b.c` in the parser's tree."""
    if isinstance(value, str):
        return value
    operands = value["operator"]["operands"]
    return f"{path_of(operands['operand_1'])}.{path_of(operands['operand_2'])}"


def app_settings() -> dict[str, Any]:
    return dict(merged_settings()["arg_2"])


def merged_settings() -> Any:
    """What the settings of the app are made of: those that it has, and over them ours."""
    union = config(template("modules/function-app.bicep")["modules"]["settings"])["params"]["settings"]
    assert union["function"]["type"] == "union"
    return union["function"]["parameters"]


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


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_gets_just_the_parameters_that_it_declares(path: Path) -> None:
    for name, module in parsed(path).get("modules", {}).items():
        given = set(config(module)["params"])
        declared = parsed(path.parent / module["detail"]["path"])["parameters"]
        assert given <= set(declared), name
        required = {key for key, value in declared.items() if value.get("default") is None}
        assert required <= given, name


def role_assignments() -> dict[str, str]:
    """Each assignment in the templates, and the first eight digits of its role; "" for a role of our own."""
    found: dict[str, str] = {}
    for path in TEMPLATES:
        document = parsed(path)
        for name, resource in document.get("resources", {}).items():
            if resource["type"] != "Microsoft.Authorization/roleAssignments" or name == "assignments":
                continue
            definition = config(resource)["properties"]["roleDefinitionId"]
            if "operator" in definition:
                own = path_of(definition).removesuffix(".id")
                assert document["resources"][own]["type"] == "Microsoft.Authorization/roleDefinitions"
                found[name] = ""
            else:
                role = definition["function"]["parameters"]["resource_name_1"]
                found[name] = document["variables"][role]["value"][:8]
    variables = template("modules/storage-roles.bicep")["variables"]
    grants = variables["grants"]["value"]
    return found | {grant["assignment"]: variables[grant["role"]]["value"][:8] for grant in grants}


def test_every_role_assignment_is_in_the_table_with_its_role_and_no_other_is() -> None:
    table = (ROOT / "docs" / "operations.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\((?:`(\w{8})`|own)\)", table, re.MULTILINE))
    assert rows == role_assignments()


def test_the_app_owns_no_container_but_those_that_the_host_must_own_or_watch() -> None:
    variables = template("modules/storage-roles.bicep")["variables"]
    grants = variables["grants"]["value"]
    owned = {path_of(grant["container"]) for grant in grants if grant["role"] == "blobDataOwner"}
    assert owned == {"host.leases", "host.keys", "containers.data", "containers.preds"}
    assert template("main.bicep")["variables"]["hostContainers"]["value"]["package"] == "deployment"


def test_the_app_may_submit_jobs_and_register_nothing() -> None:
    role = config(template("modules/workspace-roles.bicep")["resources"]["jobSubmitter"])["properties"]
    (permission,) = role["permissions"]
    actions = {action.removeprefix("Microsoft.MachineLearningServices/") for action in permission["actions"]}
    assert "workspaces/jobs/*" in actions
    writes = {action for action in actions if action.endswith(("/write", "/*", "/delete"))}
    assert writes == {"workspaces/jobs/*", "workspaces/metadata/artifacts/write"}


def test_no_parameter_has_an_unspecific_type_but_the_settings_whose_names_people_choose() -> None:
    unspecific = {
        (path.name, name)
        for path in TEMPLATES
        for name, parameter in parsed(path).get("parameters", {}).items()
        if parameter["type"] in {"object", "array"}
    }
    assert unspecific == {("app-settings.bicep", "settings")}


def test_settings_that_people_have_set_stay_and_are_a_secret_to_deployments() -> None:
    operands = merged_settings()["arg_1"]["operator"]["operands"]
    assert operands["operand_2"] == "properties"
    listed = operands["operand_1"]["function"]
    assert (listed["type"], listed["parameters"]["arg_1"]) == ("list", "${app.id}/config/appsettings")
    child = template("modules/app-settings.bicep")
    decorators = {decorator["type"] for decorator in child["parameters"]["settings"]["decorators"]}
    assert "secure" in decorators
    values = config(child["resources"]["values"])
    assert (values["name"], values["properties"]) == ("appsettings", "settings")
    # A resource that lists itself is refused as a circular dependency.
    assert "values" not in template("modules/function-app.bicep")["resources"]
    assert "list(" not in (ROOT / "infra" / "modules" / "app-settings.bicep").read_text()


def test_every_setting_that_the_code_reads_is_set_or_has_a_good_default() -> None:
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


def subscription(name: str) -> Any:
    return config(template("event-subscription.bicep")["resources"][name])["properties"]


def test_events_reach_the_app_for_committed_landings_and_for_the_ends_of_runs_only() -> None:
    assert len(template("event-subscription.bicep")["resources"]) == 3  # with the topic, which exists
    landings, ends = subscription("landings")["filter"], subscription("ends")["filter"]
    assert landings["subjectBeginsWith"] == "/blobServices/default/containers/${dataContainer}/"
    assert ends["subjectBeginsWith"] == "/blobServices/default/containers/${predsContainer}/"
    assert ends["subjectEndsWith"] == "/_SUCCESS"
    shared = template("event-subscription.bicep")["variables"]
    for watched in (landings, ends):
        assert watched["includedEventTypes"] == "created"
        assert watched["advancedFilters"] == "committed"
    assert shared["created"]["value"] == ["Microsoft.Storage.BlobCreated"]
    (calls,) = shared["committed"]["value"]
    assert (calls["key"], calls["operatorType"]) == ("data.api", "StringIn")
    assert set(calls["values"]) == {"PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose"}


def test_the_address_with_the_webhooks_key_is_a_secret_to_deployments() -> None:
    webhook = template("event-subscription.bicep")["parameters"]["webhook"]
    assert "secure" in {decorator["type"] for decorator in webhook["decorators"]}


def test_each_subscription_calls_the_function_of_its_container() -> None:
    for name, function in (("landings", "score_on_blob"), ("ends", "conclude_on_success")):
        address = subscription(name)["destination"]["properties"]["endpointUrl"]
        assert address == f"${{webhook}}{function}"


def test_the_topic_is_in_the_region_of_the_account() -> None:
    events = config(template("main.bicep")["modules"]["events"])["params"]
    assert path_of(events["location"]) == "storageContainers.outputs.location"
    outputs = template("modules/storage-containers.bicep")["outputs"]
    assert path_of(outputs["location"]["value"]) == "account.location"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_contains_an_address_of_one_cloud(path: Path) -> None:
    hosts = r"windows\.net|azurewebsites\.net|microsoftonline\.com|azure\.com|azure\.net"
    assert not re.search(hosts, path.read_text())


def test_versions_are_kept_for_a_while_and_changes_are_logged() -> None:
    resources = template("modules/storage-account.bicep")["resources"]
    assert config(resources["blobs"])["properties"]["isVersioningEnabled"] is True
    rules = config(resources["lifecycle"])["properties"]["policy"]["rules"]
    assert {"delete"} == {
        action for rule in rules for action in rule["definition"]["actions"].get("version", {})
    }
    logged = config(resources["changes"])["properties"]["logs"]
    assert {log["category"] for log in logged if log["enabled"]} == {"StorageWrite", "StorageDelete"}


def test_every_linter_rule_is_an_error_except_the_one_that_time_breaks() -> None:
    rules = json.loads((ROOT / "infra" / "bicepconfig.json").read_text())["analyzers"]["core"]["rules"]
    others = {name: rule["level"] for name, rule in rules.items() if rule["level"] != "error"}
    assert others == {"use-recent-api-versions": "warning", "what-if-short-circuiting": "off"}
    assert {"use-user-defined-types", "no-module-name", "no-hardcoded-env-urls"} <= set(rules)
