"""The hook after a deployment: the real script and the real SDK, the emulator, and a stand-in for `az`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engines.azureml.engine import AzureMLEngine
from pipeline.flow.context import Context
from tests.pipeline import small_fleet

pytestmark = pytest.mark.xdist_group("azureml")

ROOT = Path(__file__).resolve().parents[2]
KEY = "k3y-0f-the-webh00k"

AZ = f"""#!/bin/sh
echo "$@" >>"$AZ_CALLS"
case "$1 $2 $3" in
"account show --subscription" | "account show --query")
    if [ -z "$AZ_KNOWS" ]; then echo "ERROR: Please run 'az login'" >&2; exit 1; fi
    echo Fleet ;;
"functionapp function list")
    if [ -n "$AZ_REFUSES" ]; then echo "ERROR: (AuthorizationFailed) no" >&2; exit 1; fi
    echo "$AZ_FUNCTIONS" ;;
"functionapp keys list") [ -n "$AZ_HAS_KEY" ] && echo {KEY} ;;
"deployment group create")
    for word in "$@"; do case "$word" in
    @*)
        cp "${{word#@}}" "$AZ_CALLS.parameters"
        stat -c %a "${{word#@}}" >"$AZ_CALLS.mode"
        echo "${{word#@}}" >"$AZ_CALLS.path" ;;
    esac; done ;;
esac
"""


@pytest.fixture
def hook(environment, emulator, store, tmp_path):
    """Runs the hook as azd does: with the outputs of the templates in its environment."""
    tools = tmp_path / "tools"
    tools.mkdir()
    # These tests need neither `make setup` nor the wait between two tries.
    for name, script in (("az", AZ), ("make", "#!/bin/sh\n"), ("sleep", "#!/bin/sh\n")):
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    outputs = {
        **environment,
        **emulator.environment,
        "SCORING_ENGINE": "azureml",
        "AZUREML_COMPUTE": "cpu-cluster",
        "FUNCTION_APP_NAME": "func-scoring",
        "FUNCTION_APP_GROUP": "rg-scoring",
        "EVENT_TOPIC_NAME": "topic-scoring",
        "EVENT_TOPIC_GROUP": "rg-scoring",
        "STORAGE_NAME": "stscoring",
        "FUNCTION_APP_HOST": "func-scoring.azurewebsites.us",
        "APPLICATION_INSIGHTS_NAME": "appi-scoring",
        "SCORING_DATA_CONTAINER": store.data.name,
        "SCORING_PREDS_CONTAINER": store.preds.name,
        "AZ_CALLS": str(tmp_path / "calls"),
        "AZ_KNOWS": "yes",
        "AZ_FUNCTIONS": " ".join(
            f"func-scoring/{name}" for name in ("conclude_on_success", "score_on_blob", "score_on_timer")
        ),
        "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]),
    }

    def run(**more: str) -> subprocess.CompletedProcess[str]:
        command = ["/bin/sh", str(ROOT / "infra" / "hooks" / "postdeploy.sh")]
        return subprocess.run(
            command, check=False, env={**os.environ, **outputs, **more}, capture_output=True, text=True
        )

    return run


def put_models(store):
    for name, content in small_fleet.models().items():
        store.models.put(name, content)


def set_up(azureml_settings):
    """The cluster and the datastores, which the templates create in Azure."""
    context = Context.open(azureml_settings)
    AzureMLEngine(azureml_settings, context.store, context.runs).set_up()
    context.store.close()


@pytest.mark.slow
def test_it_subscribes_to_events_publishes_the_pipeline_and_checks_everything(
    hook, store, emulator, azureml_settings, tmp_path
):
    put_models(store)
    set_up(azureml_settings)
    done = hook(AZ_HAS_KEY="yes")
    assert done.returncode == 0, done.stderr
    assert "Blob events reach func-scoring." in done.stdout
    assert ": published (" in done.stdout
    assert "engine" in done.stdout
    assert store.runs.exists("published/current")
    calls = (tmp_path / "calls").read_text()
    assert "deployment group create --resource-group rg-scoring --name blob-events" in calls
    parameters = json.loads((tmp_path / "calls.parameters").read_text())["parameters"]
    assert {name: parameter["value"] for name, parameter in parameters.items()} == {
        "topicName": "topic-scoring",
        "dataContainer": store.data.name,
        "predsContainer": store.preds.name,
        "webhook": "https://func-scoring.azurewebsites.us/runtime/webhooks/blobs"
        f"?code={KEY}&functionName=Host.Functions.",
    }


@pytest.mark.slow
def test_a_deployment_that_lost_the_mapping_fails_and_keeps_what_is_published(
    hook, store, emulator, azureml_settings
):
    put_models(store)
    set_up(azureml_settings)
    done = hook(AZ_HAS_KEY="yes", SCORING_MAPPING="ts=Zeit wide")
    assert done.returncode == 0, done.stderr
    published = store.runs.read("published/current").etag
    done = hook(AZ_HAS_KEY="yes", SCORING_MAPPING="")  # as the workflow passes a variable that nobody set
    assert done.returncode == 1
    assert "set SCORING_MAPPING to this, and publish again: ts=Zeit wide" in done.stderr
    assert store.runs.read("published/current").etag == published
    assert hook(AZ_HAS_KEY="yes", SCORING_MAPPING="{}").returncode == 0
    assert store.runs.read("published/current").etag != published


def test_the_webhooks_key_is_on_no_command_line_and_in_no_file_afterwards(hook, store, tmp_path):
    done = hook(AZ_HAS_KEY="yes")
    assert (tmp_path / "calls.mode").read_text() == "600\n"
    assert not Path((tmp_path / "calls.path").read_text().strip()).parent.exists()
    assert KEY not in (tmp_path / "calls").read_text() + done.stdout + done.stderr


def test_each_call_names_the_subscription_that_azd_deployed_to(hook, store, azureml_settings, tmp_path):
    done = hook(AZ_HAS_KEY="yes")
    subscription = azureml_settings.azureml.subscription
    assert f"Subscription: Fleet ({subscription})" in done.stdout
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 4
    assert [call for call in calls if not call.endswith(f"--subscription {subscription}")] == []


def test_an_operator_who_is_not_signed_in_sees_what_az_says_at_once(hook, store, tmp_path):
    done = hook(AZ_KNOWS="")
    assert done.returncode == 1
    assert "Please run 'az login'" in done.stderr
    assert "azd hooks run postdeploy" in done.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_an_error_of_azure_is_shown_unchanged(hook, store):
    done = hook(AZ_REFUSES="yes")
    assert done.returncode == 1
    assert "(AuthorizationFailed) no" in done.stderr


@pytest.mark.parametrize("loaded", ["", "func-scoring/score_on_blob func-scoring/score_on_timer"])
def test_an_app_that_does_not_load_its_functions_fails_it_and_its_log_is_named(hook, store, tmp_path, loaded):
    done = hook(AZ_FUNCTIONS=loaded)
    assert done.returncode == 1
    assert "func-scoring did not load its functions" in done.stderr
    assert "--apps appi-scoring" in done.stderr
    assert "keys list" not in (tmp_path / "calls").read_text()
    assert not store.runs.exists("published/current")


def test_a_deployment_without_models_succeeds_and_says_what_to_do_next(hook, store):
    done = hook(AZ_HAS_KEY="yes")
    assert done.returncode == 0
    assert "there are no models" in done.stderr
    assert "upload models to the container models of stscoring" in done.stderr


def test_an_app_that_creates_no_key_fails_it_with_what_to_do(hook, store, tmp_path):
    done = hook(AZ_HAS_KEY="")
    assert done.returncode == 1
    assert "azd hooks run postdeploy" in done.stderr
    assert (tmp_path / "calls").read_text().count("functionapp keys list") == 30
    assert not store.runs.exists("published/current")


def test_a_missing_cluster_is_reported(hook, store, emulator):
    emulator.workspace.forget(("components", "environments", "codes"))
    put_models(store)
    done = hook(AZ_HAS_KEY="yes")
    assert done.returncode == 1
    assert "there is no compute 'cpu-cluster'" in done.stderr
