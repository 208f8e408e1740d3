"""The GitHub workflow: it runs what developers run, with as few rights and with no secret."""

import contextlib
import hashlib
import io
import itertools
import os
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import SettingsError
from pipeline.published.documents import Documents, PublishedPipeline
from pipeline.published.publish import FleetModels, prepare
from pipeline.settings import Settings
from scoring import SensorKey

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
    assert jobs["deploy"]["needs"] == ["test", "templates"]
    assert "github.ref == 'refs/heads/main'" in jobs["deploy"]["if"]
    assert "pull_request" in jobs["deploy"]["if"]


def test_permissions_are_to_read_and_in_deployment_the_token_that_azure_trusts(
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


class FourProcessors:
    """What publishing asks of an engine before it has documents."""

    def processors(self) -> int:
        return 4

    def publish(self, documents: Documents) -> PublishedPipeline:
        raise NotImplementedError


def documents_with(**environ: str) -> Documents:
    settings = Settings.from_environment({"ScoringStorage": "UseDevelopmentStorage=true", **environ})
    fleet = FleetModels(tuple(SensorKey("1", str(number)) for number in range(30)), ())
    return prepare(settings, fleet, FourProcessors())


def settings_that_a_published_pipeline_depends_on() -> set[str]:
    """Found by trying values of all kinds on each setting."""
    usual, found = documents_with(), set()
    for name, value in itertools.product(Settings.names(), ("7", "99", "0.5", "wide")):
        if name.startswith("SCORING_"):
            with contextlib.suppress(SettingsError):
                if documents_with(**{name: value}) != usual:
                    found.add(name)
    return found


def test_the_workflow_passes_every_parameter_and_every_setting_that_publishing_uses(
    jobs: dict[str, Any],
) -> None:
    """Otherwise each deployment would publish a pipeline without them."""
    parameters = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
    chosen = set(re.findall(r"\$\{(SCORING_\w+)=", parameters))
    assert len(chosen) == 12
    published = settings_that_a_published_pipeline_depends_on()
    assert "SCORING_MAPPING" in published
    docs = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = docs.partition("| parameter (`azd env set NAME VALUE`)")[2].partition("\n\n")[0]
    chosen |= published
    assert set(re.findall(r"`(SCORING_\w+)`", table)) == chosen
    assert {name for name in jobs["deploy"]["env"] if name.startswith("SCORING_")} == chosen
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert set(azure["pipeline"]["variables"]) == chosen


def test_a_deployment_waits_for_the_reviewers_of_its_environment(jobs: dict[str, Any]) -> None:
    assert jobs["deploy"]["environment"] == "production"
    docs = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "--subject repo:OWNER/REPOSITORY:environment:production" in docs


def test_a_pinned_linter_checks_every_deployed_template(jobs: dict[str, Any]) -> None:
    install, *lint = commands(jobs["templates"])
    assert re.fullmatch(r"az bicep install --version v\d+\.\d+\.\d+", install)
    entries = sorted(path.relative_to(ROOT) for path in (ROOT / "infra").glob("*.bicep"))
    assert sorted(lint) == sorted(f"az bicep lint --file {path}" for path in entries)


def install_azd(jobs: dict[str, Any], folder: Path, content: bytes) -> subprocess.CompletedProcess[str]:
    """The step that installs azd, with a release that holds `content` for that on GitHub."""
    (step,) = (step for step in jobs["deploy"]["steps"] if step.get("name") == "Install azd")
    release = folder / "release.tar.gz"
    with tarfile.open(release, "w:gz") as archive:
        entry = tarfile.TarInfo("azd-linux-amd64")
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    tools = folder / "tools"
    tools.mkdir()
    curl = tools / "curl"
    curl.write_text(f'#!/bin/sh\necho "$@" >{folder}/curl.log\ncp {release} azd.tar.gz\n')
    curl.chmod(0o755)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(folder),
        "GITHUB_PATH": str(folder / "path"),
        **step["env"],
    }
    if content == RELEASED:
        environment["SHA256"] = hashlib.sha256(release.read_bytes()).hexdigest()
    return subprocess.run(
        ["/bin/bash", "-e", "-c", step["run"]],
        env=environment,
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
    )


RELEASED = b"#!/bin/sh\necho azd version\n"


def test_azd_is_installed_in_the_version_whose_digest_is_known(jobs: dict[str, Any], tmp_path: Path) -> None:
    done = install_azd(jobs, tmp_path, RELEASED)
    assert done.returncode == 0, done.stderr
    assert re.search(r"/azure-dev-cli_\d+\.\d+\.\d+/azd-linux-amd64", (tmp_path / "curl.log").read_text())
    azd = Path((tmp_path / "path").read_text().strip()) / "azd"
    assert subprocess.run([azd], check=True, capture_output=True, text=True).stdout == "azd version\n"


def test_another_azd_than_the_one_whose_digest_is_known_is_not_installed(
    jobs: dict[str, Any], tmp_path: Path
) -> None:
    done = install_azd(jobs, tmp_path, b"#!/bin/sh\necho something else\n")
    assert done.returncode != 0
    assert "FAILED" in done.stdout
    assert not (tmp_path / "path").exists()


def test_the_app_is_found_in_its_own_group_with_any_workspace() -> None:
    azure = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    template = (ROOT / "infra" / "main.bicep").read_text(encoding="utf-8")
    assert "output FUNCTION_APP_GROUP string = group.name\n" in template
    app = azure["services"]["app"]
    assert (app["resourceName"], app["resourceGroup"]) == ("${FUNCTION_APP_NAME}", "${FUNCTION_APP_GROUP}")
