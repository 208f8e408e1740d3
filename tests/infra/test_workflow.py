"""The GitHub workflow: it runs what developers run, with as few rights and with no secret."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    return found


def commands(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_a_change_is_checked_and_tested_as_on_a_developers_machine(jobs: dict[str, Any]) -> None:
    assert commands(jobs["test"]) == ["make check", "make test COVERAGE=1"]
    assert commands(jobs["test"]) == (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-2:]


def test_only_what_was_tested_on_main_is_deployed(jobs: dict[str, Any]) -> None:
    assert jobs["deploy"]["needs"] == "test"
    assert "github.ref == 'refs/heads/main'" in jobs["deploy"]["if"]
    assert "pull_request" in jobs["deploy"]["if"]


def test_nothing_is_allowed_but_reading_and_in_deployment_the_token_that_azure_trusts(
    jobs: dict[str, Any],
) -> None:
    assert yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["permissions"] == {"contents": "read"}
    assert "permissions" not in jobs["test"]
    assert jobs["deploy"]["permissions"] == {"contents": "read", "id-token": "write"}


def test_no_secret_is_used() -> None:
    assert "secrets." not in WORKFLOW.read_text(encoding="utf-8")


def test_every_action_is_pinned_by_its_commit_with_its_version_beside_it() -> None:
    lines = [line for line in WORKFLOW.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert len(lines) >= 4
    for line in lines:
        assert re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_it_tests_with_the_projects_version_of_python(jobs: dict[str, Any]) -> None:
    versions = {
        step["with"]["python-version"]
        for job in jobs.values()
        for step in job["steps"]
        if "setup-python" in step.get("uses", "")
    }
    required = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert required
    assert versions == {required[1]}


def test_a_deployment_knows_all_that_was_chosen_for_the_one_before(jobs: dict[str, Any]) -> None:
    parameters = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    chosen = set(re.findall(r"\$\{(SCORING_\w+)=", parameters))
    assert len(chosen) == 6
    assert {name for name in jobs["deploy"]["env"] if name.startswith("SCORING_")} == chosen
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert set(azure["pipeline"]["variables"]) == chosen


def test_azure_trusts_tokens_of_the_branch_which_name_no_environment(jobs: dict[str, Any]) -> None:
    assert "environment" not in jobs["deploy"]


def test_the_app_is_looked_for_where_it_is_whatever_workspace_is_used() -> None:
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    template = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    assert "output FUNCTION_APP_GROUP string = group.name\n" in template
    app = azure["services"]["app"]
    assert (app["resourceName"], app["resourceGroup"]) == ("${FUNCTION_APP_NAME}", "${FUNCTION_APP_GROUP}")
