"""The hook after a deployment: the real script and the real SDK, the emulator, and a stand-in for `az`."""

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
"functionapp keys list") [ -n "$AZ_HAS_KEY" ] && echo {KEY} ;;
esac
"""


@pytest.fixture
def hook(environment, emulator, store, tmp_path):
    """Runs the hook as azd does: with the outputs of the templates in its environment."""
    tools = tmp_path / "tools"
    tools.mkdir()
    # `make setup` and the wait between two tries are none of what is tried here.
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
        "AZ_CALLS": str(tmp_path / "calls"),
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
def test_events_reach_the_app_and_the_pipeline_is_published_and_everything_examined(
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
    subscription = (tmp_path / "calls").read_text().splitlines()[-1]
    assert subscription.startswith("eventgrid system-topic event-subscription create")
    assert f"functionName=Host.Functions.score_on_blob&code={KEY}" in subscription
    assert "--subject-begins-with /blobServices/default/containers/data/" in subscription
    assert KEY not in done.stdout + done.stderr  # which whoever deploys may show around


def test_a_deployment_without_models_is_no_failure_and_says_what_comes_next(hook, store):
    done = hook(AZ_HAS_KEY="yes")
    assert done.returncode == 0
    assert "there are no models" in done.stderr
    assert "upload models to the container models of stscoring" in done.stderr


def test_an_app_that_makes_no_key_is_told_after_a_while_with_what_to_do(hook, store, tmp_path):
    done = hook(AZ_HAS_KEY="")
    assert done.returncode == 1
    assert "azd hooks run postdeploy" in done.stderr
    assert len((tmp_path / "calls").read_text().splitlines()) == 30
    assert not store.runs.exists("published/current")


def test_a_workspace_that_lacks_its_cluster_is_told(hook, store, emulator):
    emulator.workspace.forget(("components", "environments", "codes"))
    put_models(store)
    done = hook(AZ_HAS_KEY="yes")
    assert done.returncode == 1
    assert "there is no compute 'cpu-cluster'" in done.stderr
