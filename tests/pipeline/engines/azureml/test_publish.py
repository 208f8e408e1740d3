"""`python -m pipeline publish` with the options that are for Azure ML, against the emulator."""

import json

import pytest

from pipeline.cli import main
from tests.pipeline import small_fleet

pytestmark = pytest.mark.xdist_group("azureml")


@pytest.fixture
def workspace(environment, emulator, store, monkeypatch, tmp_path):
    """Models, and a workspace that is empty, in an environment in which the command line finds both."""
    own = {"SCORING_ENGINE": "azureml", "AZUREML_COMPUTE": "cpu-cluster"}
    for name, text in {**environment, **emulator.environment, **own}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.chdir(tmp_path)
    for name, content in small_fleet.models().items():
        store.models.put(name, content)
    emulator.workspace.forget(("components", "environments", "codes"))
    return emulator.workspace


def test_setup_says_what_it_created_and_prints_the_roles_to_assign(workspace, capsys):
    assert main(["publish", "--setup"]) == 0
    created, rest = capsys.readouterr().out.split("\nv", 1)
    assert [line.split()[0] for line in created.splitlines()] == ["compute", *["datastore"] * 4]
    roles = [line for line in rest.splitlines() if line.startswith("az role assignment create ")]
    assert len(roles) == 4
    assert main(["publish", "--setup", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["created"], answer["grants"]) == ([], roles)


def test_the_first_endpoint_of_a_workspace_is_created(workspace, capsys):
    """Where the endpoint is missing, Azure Resource Manager answers as if the workspace was."""
    assert main(["publish", "--setup", "--endpoint"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("batch endpoint")]
    endpoint = workspace.resources[workspace.id("batchEndpoints", line.split()[-1])]
    assert endpoint["properties"]["defaults"]["deploymentName"].startswith("v")


def test_a_roll_back_of_an_endpoint_that_is_not_there_says_what_to_run(workspace, capsys):
    assert main(["publish", "--setup", "--json"]) == 0
    version = json.loads(capsys.readouterr().out)["published"]
    assert main(["publish", "--rollback", version, "--endpoint"]) == 1
    assert "there are: none: run python -m pipeline publish --endpoint" in capsys.readouterr().err
