"""The emulator of Azure Machine Learning, called by the unmodified SDK as in a Function app."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from dev.azureml.expressions import Unresolved, command_line, resolved
from dev.azureml.faults import Fault, Kind, Loss
from dev.azureml.identity import make_token
from dev.azureml.server import Emulator
from dev.azureml.storage import Storage
from dev.azurite import ACCOUNT, connection_string

pytestmark = pytest.mark.xdist_group("azureml")

COMPONENT = """
name: work
version: "1"
type: command
is_deterministic: false
code: ./code
environment: azureml:env:1
inputs:
  data: {type: uri_folder}
  word: {type: string}
  before: {type: uri_folder, optional: true}
outputs:
  out: {type: uri_folder}
command: >-
  python -m work ${{inputs.word}} ${{inputs.data}} ${{outputs.out}} $[[--before ${{inputs.before}}]]
"""
WORK = """
import sys
from pathlib import Path
word, data, out = sys.argv[1:4]
print("the word is", word, flush=True)
if word == "fail":
    sys.exit("no such word")
if word == "wait":
    import time
    time.sleep(60)
if word == "write":
    Path(data, "mine.txt").write_text("not here")
if word == "folder":
    Path(out, "a", "b").mkdir(parents=True)
    Path(out, "a", "b", "page.html").write_text("<p>")
if word == "slow":
    Path(out, "slow.txt").write_text("half")
    import time
    time.sleep(60)
if sys.argv[4:]:
    Path(out, f"{word}.before").write_text(sys.argv[5])
names = sorted(file.name for file in Path(data).rglob("*") if file.is_file())
Path(out, f"{word}.txt").write_text(f"{word} {names} {sys.argv[4:5]}")
"""
POLL_SECONDS = 60
ROOT = Path(__file__).parents[2]
GOOD_TOKEN = make_token("https://management.azure.com", 1 << 40)


@pytest.fixture(scope="module")
def emulator(azurite):
    with Emulator(azurite.connection_string) as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture(autouse=True)
def no_leftovers(emulator):
    emulator.requests.clear()
    yield
    emulator.faults.clear()
    emulator.jobs.duplicates = "same"


@pytest.fixture(scope="module")
def client(emulator):
    from azure.ai.ml import MLClient
    from azure.identity import ManagedIdentityCredential

    scope = emulator.workspace.scope
    return MLClient(
        ManagedIdentityCredential(),
        scope.subscription,
        scope.resource_group,
        scope.workspace,
        enable_telemetry=False,
    )


@pytest.fixture(scope="module")
def compute(client):
    from azure.ai.ml.entities import AmlCompute

    cluster = AmlCompute(name="cpu-cluster", min_instances=0, max_instances=4)
    return client.compute.begin_create_or_update(cluster).result().id


@pytest.fixture(scope="module")
def datastores(client, emulator):
    from azure.ai.ml.entities import AzureBlobDatastore

    for name in ("readings", "results"):
        emulator.workspace.storage.make_container(name)
        client.datastores.create_or_update(
            AzureBlobDatastore(name=name, account_name=ACCOUNT, container_name=name)
        )
    blobs = emulator.workspace.storage.client
    blobs.get_blob_client("readings", "2026/a.csv").upload_blob(b"1", overwrite=True)
    return blobs


@pytest.fixture(scope="module")
def command(client, compute, datastores, tmp_path_factory):
    """A registered command component, with code that was uploaded."""
    from azure.ai.ml import load_component
    from azure.ai.ml.entities import Environment

    client.environments.create_or_update(
        Environment(name="env", version="1", image="image", conda_file={"dependencies": ["python=3.13"]})
    )
    return client.components.create_or_update(load_component(write(tmp_path_factory.mktemp("work"))))


@pytest.fixture(scope="module")
def pipeline(client, command, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    component = make_pipeline(command, "plain", {"first": "one", "second": "two"}, folder)
    return client.components.create_or_update(component)


def write(folder, *, work=WORK, component=COMPONENT):
    code = folder / "code" / "work"
    code.mkdir(parents=True)
    (code / "__init__.py").touch()
    (code / "__main__.py").write_text(work)
    (folder / "work.yml").write_text(component)
    return folder / "work.yml"


def make_pipeline(command, name, words, folder, *, chained=False, mode="upload", delivery=None):
    """A pipeline component with one step per word, the later ones after the first where `chained`."""
    from azure.ai.ml import load_component

    document = {
        "name": name,
        "version": "1",
        "type": "pipeline",
        "inputs": {"data": {"type": "uri_folder"}, "run": {"type": "string"}},
        "jobs": {},
    }
    for step, word in words.items():
        place = {
            "type": "uri_folder",
            "mode": mode,
            "path": f"azureml://datastores/results/paths/{name}/",
        }
        inputs = {"data": "${{parent.inputs.data}}", "word": word}
        if chained and step != next(iter(words)):
            bound = f"${{{{parent.jobs.{next(iter(words))}.outputs.out}}}}"
            inputs["before"] = {"path": bound, "mode": delivery} if delivery else bound
        node = {"type": "command", "component": f"azureml:{command.id}", "inputs": inputs}
        document["jobs"][step] = node | {"outputs": {"out": place}}
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return load_component(path)


def job(pipeline, compute, name, *, run="a-run", **more):
    from azure.ai.ml import Input
    from azure.ai.ml.entities import PipelineJob, PipelineJobSettings

    return PipelineJob(
        name=name,
        component=pipeline.id,
        inputs={
            "data": Input(type="uri_folder", path="azureml://datastores/readings/paths/2026/"),
            "run": run,
        },
        settings=PipelineJobSettings(default_compute=compute, continue_on_step_failure=True),
        experiment_name="tests",
        **more,
    )


def ended(client, name):
    deadline = time.monotonic() + POLL_SECONDS
    while time.monotonic() < deadline:
        status = client.jobs.get(name).status
        if status in {"Completed", "Failed", "Canceled"}:
            return str(getattr(status, "value", status))
        time.sleep(0.05)
    pytest.fail(f"{name} is still {status}")


def statuses(client, name):
    return {step.display_name: step.status for step in client.jobs.list(parent_job_name=name)}


def refusal(call, *arguments, **more):
    from azure.core.exceptions import HttpResponseError

    with pytest.raises(HttpResponseError) as caught:
        call(*arguments, **more)
    return caught.value


class TestComponents:
    def test_the_steps_of_a_pipeline_component_are_not_shown_again(self, emulator, pipeline):
        answer = emulator.workspace.resources[pipeline.id]["properties"]["componentSpec"]
        assert "jobs" not in answer
        assert len(emulator.workspace.specs[pipeline.id]["jobs"]) == 2

    def test_flags_come_back_as_texts(self, emulator, command):
        answer = emulator.workspace.resources[command.id]["properties"]["componentSpec"]
        assert (answer["is_deterministic"], answer["inputs"]["before"]["optional"]) == ("False", "True")
        assert answer["inputs"]["data"]["optional"] == "False"

    def test_the_same_version_with_the_same_content_is_accepted_again(self, client, command):
        assert client.components.create_or_update(command).id == command.id

    @pytest.mark.usefixtures("command")
    def test_a_version_never_gets_other_code(self, client, tmp_path):
        from azure.ai.ml import load_component

        other = load_component(write(tmp_path, work="print('other')"))
        error = refusal(client.components.create_or_update, other)
        assert error.status_code == 400
        assert 'field "code" is immutable, try specifying a new version' in str(error)
        assert "UpdateComponentFailed" in str(error)

    def test_changed_code_gets_a_container_of_its_own(self, client, emulator, command, tmp_path):
        from azure.ai.ml import load_component

        component = COMPONENT.replace('version: "1"', 'version: "2"')
        changed = client.components.create_or_update(
            load_component(write(tmp_path, work="print('changed')", component=component))
        )
        uris = [
            emulator.workspace.resources[one.code.removeprefix("azureml:")]["properties"]["codeUri"]
            for one in (command, changed)
        ]
        assert uris[0] != uris[1]

    def test_a_missing_component_is_not_found_by_name(self, client):
        error = refusal(client.components.get, "nothing", "1")
        assert (error.status_code, error.error.code) == (404, "UserError")
        assert "Not found component nothing." in str(error)

    def test_an_anonymous_component_gets_an_id_that_was_not_sent(self, emulator, command):
        body = {"componentSpec": emulator.workspace.specs[command.id] | {"name": "azureml_anonymous"}}
        sent = emulator.workspace.id("components", "azureml_anonymous", "versions", "sent")
        ids = {put(emulator, sent, body)["id"] for _ in range(2)}
        assert len(ids) == 1
        assert sent not in ids

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"environment": "azureml:nothing:1"}, "none of the environments"),
            ({"code": "azureml:/subscriptions/x/codes/none/versions/1"}, "none of the codes"),
            ({"command": "python ${{inputs.nothing}}"}, "which the component does not have"),
            ({"type": "spark"}, "does not support components of type 'spark'"),
            ({"version": "7"}, "not the one of the path"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_a_component_whose_parts_do_not_fit_is_rejected(self, emulator, command, change, message):
        spec = emulator.workspace.specs[command.id] | {"name": "wrong", "version": "1"} | change
        path = emulator.workspace.id("components", "wrong", "versions", "1")
        assert message in put(emulator, path, {"componentSpec": spec})["error"]["message"]

    def test_a_step_without_a_required_input_is_rejected(self, emulator, pipeline):
        spec = json.loads(json.dumps(emulator.workspace.specs[pipeline.id])) | {"version": "9"}
        del spec["jobs"]["first"]["inputs"]["word"]
        path = emulator.workspace.id("components", "plain", "versions", "9")
        message = put(emulator, path, {"componentSpec": spec})["error"]["message"]
        assert message == "Step 'first' is missing required inputs: ['word']."


class TestJobs:
    def test_a_submission_is_one_put(self, client, emulator, pipeline, compute):
        client.jobs.create_or_update(job(pipeline, compute, "one-put"))
        assert [line.split()[0] for line in emulator.requests] == ["PUT"]

    def test_the_uploaded_code_runs_on_the_data_of_its_datastores(
        self, client, pipeline, compute, datastores
    ):
        client.jobs.create_or_update(job(pipeline, compute, "whole"))
        assert ended(client, "whole") == "Completed"
        assert statuses(client, "whole") == {"first": "Completed", "second": "Completed"}
        found = datastores.get_blob_client("results", "plain/one.txt").download_blob().readall()
        assert found == b"one ['a.csv'] []"

    def test_a_step_that_fails_leaves_the_others_alone(self, client, command, compute, tmp_path):
        broken = make_pipeline(command, "broken", {"first": "fail", "second": "three"}, tmp_path)
        broken = client.components.create_or_update(broken)
        client.jobs.create_or_update(job(broken, compute, "broken"))
        assert ended(client, "broken") == "Failed"
        assert statuses(client, "broken") == {"first": "Failed", "second": "Completed"}

    def test_a_step_runs_without_the_optional_result_of_one_that_failed(
        self, client, command, compute, datastores, tmp_path
    ):
        words = {"first": "fail", "second": "four"}
        chained = make_pipeline(command, "chained", words, tmp_path, chained=True)
        chained = client.components.create_or_update(chained)
        client.jobs.create_or_update(job(chained, compute, "chained"))
        assert ended(client, "chained") == "Failed"
        found = datastores.get_blob_client("results", "chained/four.txt").download_blob().readall()
        assert found.endswith(b"[]")

    def test_a_step_can_overwrite_what_an_earlier_one_wrote_to_the_same_place(
        self, client, command, compute, datastores, tmp_path
    ):
        words = {"first": "same", "second": "same"}
        mounted = make_pipeline(command, "mounted", words, tmp_path, chained=True, mode="rw_mount")
        mounted = client.components.create_or_update(mounted)
        client.jobs.create_or_update(job(mounted, compute, "mounted"))
        assert ended(client, "mounted") == "Completed"
        found = datastores.get_blob_client("results", "mounted/same.txt").download_blob().readall()
        assert found.endswith(b"['--before']")

    def test_a_cancelled_job_stops_its_steps(self, client, command, compute, tmp_path):
        waiting = make_pipeline(command, "waiting", {"first": "wait"}, tmp_path)
        waiting = client.components.create_or_update(waiting)
        client.jobs.create_or_update(job(waiting, compute, "waiting"))
        client.jobs.begin_cancel("waiting")
        assert ended(client, "waiting") == "Canceled"

    def test_a_finished_job_cannot_be_cancelled(self, client, pipeline, compute):
        client.jobs.create_or_update(job(pipeline, compute, "finished"))
        ended(client, "finished")
        error = refusal(client.jobs.begin_cancel, "finished")
        assert error.status_code == 400
        assert "CancelPipelineRunInTerminalStatus" in str(error)

    def test_what_steps_write_is_streamed(self, client, emulator, pipeline, compute):
        client.jobs.create_or_update(job(pipeline, compute, "logged"))
        ended(client, "logged")
        steps = emulator.jobs.jobs["logged"].steps
        assert steps["first"].log.read_text() == "the word is one\n"

    def test_the_same_job_again_is_the_job_with_the_new_tags(self, client, pipeline, compute):
        client.jobs.create_or_update(job(pipeline, compute, "again", tags={"try": "1"}))
        client.jobs.create_or_update(job(pipeline, compute, "again", tags={"try": "2"}))
        assert client.jobs.get("again").tags == {"try": "2"}
        assert [one.name for one in client.jobs.list()].count("again") == 1

    def test_the_same_job_again_can_be_rejected_instead(self, client, emulator, pipeline, compute):
        client.jobs.create_or_update(job(pipeline, compute, "twice"))
        emulator.jobs.duplicates = "refuse"
        error = refusal(client.jobs.create_or_update, job(pipeline, compute, "twice"))
        assert (error.status_code, error.error.code) == (400, "UserError")
        assert "JobPropertyImmutable" in str(error)

    def test_another_job_of_the_same_name_is_rejected(self, client, pipeline, compute):
        client.jobs.create_or_update(job(pipeline, compute, "taken"))
        error = refusal(client.jobs.create_or_update, job(pipeline, compute, "taken", run="another-run"))
        assert "JobPropertyImmutable" in str(error)

    def test_a_job_with_a_time_with_t_and_z_runs_but_gets_an_error(self, client, emulator, pipeline, compute):
        error = refusal(
            client.jobs.create_or_update, job(pipeline, compute, "instant", run="2026-11-23T05:00:00Z")
        )
        assert "JobPropertyImmutable" in str(error)
        assert "instant" in emulator.jobs.jobs

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"name": "a:b"}, "does not match"),
            ({"name": "x" * 256}, "does not match"),
            ({"component": "azureml:plain:1"}, "Not found pipeline component"),
            ({"tags": {f"tag-{i}": "" for i in range(51)}}, "at most 50 tags"),
            ({"tags": {"long": "x" * 1001}}, "at most 1000 characters"),
            ({"inputs": {"run": "x"}}, "Required inputs are missing: ['data']"),
            ({"compute": "nothing"}, "Could not find compute"),
            ({"uri": "azureml://datastores/nothing/paths/x/"}, "Could not find datastore"),
            ({"uri": "/a/path"}, "is not a URI of the form"),
        ],
    )
    def test_an_invalid_job_that_the_sdk_does_not_check_is_rejected(
        self, emulator, pipeline, compute, change, message
    ):
        data = {"jobInputType": "uri_folder", "uri": "azureml://datastores/readings/paths/2026/"}
        inputs = {
            "data": data | ({"uri": change["uri"]} if "uri" in change else {}),
            "run": {"jobInputType": "literal", "value": "x"},
        }
        if "inputs" in change:
            inputs = {"run": inputs["run"]}
        properties = {
            "jobType": "Pipeline",
            "componentId": change.get("component", pipeline.id),
            "experimentName": "tests",
            "inputs": inputs,
            "tags": change.get("tags", {}),
            "settings": {"default_compute": change.get("compute", compute)},
        }
        answer = put(emulator, emulator.workspace.id("jobs", change.get("name", "refused")), properties)
        assert message in answer["error"]["message"]
        assert change.get("name", "refused") not in emulator.jobs.jobs


class TestDelivery:
    """Inputs and outputs of steps, as Azure ML's data runtime delivers them."""

    def test_an_input_without_a_mode_cannot_be_written_to(self, client, command, compute, tmp_path):
        greedy = make_pipeline(command, "greedy", {"first": "write"}, tmp_path)
        greedy = client.components.create_or_update(greedy)
        client.jobs.create_or_update(job(greedy, compute, "greedy"))
        assert ended(client, "greedy") == "Failed"
        (step,) = client.jobs.list(parent_job_name="greedy")
        assert step.status == "Failed"

    @pytest.mark.parametrize(
        ("mode", "seen"),
        [("direct", b"azureml://datastores/results/paths/"), ("download", b"/inputs/before")],
    )
    def test_the_mode_decides_what_a_command_gets(
        self, client, command, compute, datastores, tmp_path, *, mode, seen
    ):
        words = {"first": "a", "second": mode}
        given = make_pipeline(command, f"given_{mode}", words, tmp_path, chained=True, delivery=mode)
        given = client.components.create_or_update(given)
        client.jobs.create_or_update(job(given, compute, f"given-{mode}"))
        assert ended(client, f"given-{mode}") == "Completed"
        found = datastores.get_blob_client("results", f"given_{mode}/{mode}.before").download_blob().readall()
        assert seen in found

    def test_an_unknown_mode_is_rejected(self, emulator, pipeline):
        spec = json.loads(json.dumps(emulator.workspace.specs[pipeline.id])) | {"version": "8"}
        spec["jobs"]["first"]["inputs"]["data"]["mode"] = "Mount"
        path = emulator.workspace.id("components", "plain", "versions", "8")
        message = put(emulator, path, {"componentSpec": spec})["error"]["message"]
        assert "does not support mode 'Mount' of input 'first.data'" in message

    def test_folders_become_blobs_and_files_have_no_content_type(
        self, client, command, compute, datastores, tmp_path
    ):
        folders = make_pipeline(command, "folders", {"first": "folder"}, tmp_path, mode="rw_mount")
        folders = client.components.create_or_update(folders)
        client.jobs.create_or_update(job(folders, compute, "folders"))
        assert ended(client, "folders") == "Completed"
        folder = datastores.get_blob_client("results", "folders/a/b").get_blob_properties()
        assert (folder.size, folder.metadata) == (0, {"hdi_isfolder": "true"})
        page = datastores.get_blob_client("results", "folders/a/b/page.html").get_blob_properties()
        assert page.content_settings.content_type == "application/octet-stream"
        storage = Storage(connection_string_of(datastores))
        storage.download_folder("results", "folders", tmp_path / "found")
        assert (tmp_path / "found" / "a" / "b" / "page.html").is_file()

    def test_a_value_is_part_of_a_line_for_a_shell(self, client, command, compute, tmp_path):
        """Unlike in the local engine, a blank in a value splits an argument."""
        cut = make_pipeline(command, "cut", {"first": "'one", "second": "five"}, tmp_path)
        cut = client.components.create_or_update(cut)
        client.jobs.create_or_update(job(cut, compute, "cut"))
        assert ended(client, "cut") == "Failed"
        assert statuses(client, "cut") == {"first": "Failed", "second": "Completed"}


class TestLosses:
    @pytest.mark.parametrize("end", ["Completed", "Failed"])
    def test_a_step_whose_node_was_evicted_is_not_retried(
        self, client, emulator, command, compute, *, datastores, tmp_path, end
    ):
        words = {"first": "slow", "second": "six"}
        name = f"lost_{end.lower()}"
        lost = make_pipeline(command, name, words, tmp_path, chained=True, mode="rw_mount")
        lost = client.components.create_or_update(lost)
        emulator.faults.lose(Loss("first", after=1.5, job=end))
        client.jobs.create_or_update(job(lost, compute, name))
        assert ended(client, name) == end
        assert statuses(client, name) == {"first": "Failed", "second": "Completed"}
        half = datastores.get_blob_client("results", f"{name}/slow.txt").download_blob().readall()
        assert half == b"half"

    def test_a_step_that_never_began_is_not_in_the_history(self, client, emulator, pipeline, compute):
        emulator.faults.lose(Loss("first", job="Completed"))
        client.jobs.create_or_update(job(pipeline, compute, "never"))
        assert ended(client, "never") == "Completed"
        assert statuses(client, "never") == {"second": "Completed"}


class TestExpressions:
    """Written from the documentation's own examples."""

    TEMPLATE = (
        "python train.py --data ${{inputs.data}} $[[--epochs ${{ inputs.epochs }}]] --to ${{outputs.model}}"
    )

    def test_an_optional_part_is_kept_where_its_input_is_given(self):
        values = {"inputs.data": "/d", "inputs.epochs": "3", "outputs.model": "/m"}
        assert command_line(self.TEMPLATE, values, ()) == "python train.py --data /d --epochs 3 --to /m"

    def test_an_optional_part_is_dropped_where_its_input_is_not_given(self):
        values = {"inputs.data": "/d", "outputs.model": "/m"}
        line = command_line(self.TEMPLATE, values, {"inputs.epochs"})
        assert line == "python train.py --data /d  --to /m"

    @pytest.mark.parametrize("values", [{"outputs.model": "/m"}, {"inputs.data": "/d"}])
    def test_an_expression_without_a_value_is_an_error(self, values):
        with pytest.raises(Unresolved, match="has no value"):
            command_line(self.TEMPLATE, values, {"inputs.epochs"})

    def test_values_are_not_expanded_again(self):
        assert resolved("${{name}}", {"name": "${{output_name}}", "output_name": "x"}) == "${{output_name}}"


class TestFaults:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_the_sdk_retries_when_the_service_is_busy(self, client, emulator, pipeline, compute, status):
        emulator.faults.add(Fault("PUT .*/jobs/", status=status, retry_after=0))
        client.jobs.create_or_update(job(pipeline, compute, f"busy-{status}"))
        assert len(emulator.requests) == 2

    def test_a_connection_cut_after_the_put_is_a_job_and_a_second_put(
        self, client, emulator, pipeline, compute
    ):
        emulator.faults.add(Fault("PUT .*/jobs/", Kind.CUT_AFTER))
        emulator.jobs.duplicates = "refuse"
        error = refusal(client.jobs.create_or_update, job(pipeline, compute, "cut"))
        assert "JobPropertyImmutable" in str(error)  # for the SDK's own second PUT
        assert "cut" in emulator.jobs.jobs

    def test_a_connection_cut_before_the_put_is_a_second_put(self, client, emulator, pipeline, compute):
        emulator.faults.add(Fault("PUT .*/jobs/", Kind.CUT_BEFORE))
        client.jobs.create_or_update(job(pipeline, compute, "cut-before"))
        assert len(emulator.requests) == 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("token", "code"),
        [
            (None, "AuthenticationFailed"),
            ("nonsense", "InvalidAuthenticationToken"),
            (make_token("https://management.azure.com", 1), "ExpiredAuthenticationToken"),
            (make_token("https://storage.azure.com", 1 << 40), "InvalidAuthenticationTokenAudience"),
        ],
        ids=["none", "nonsense", "expired", "for storage"],
    )
    def test_an_invalid_token_is_rejected(self, emulator, token, code):
        answer = ask(emulator, "GET", emulator.workspace.scope.id, version="2024-10-01-preview", token=token)
        assert answer["error"]["code"] == code

    def test_the_identity_endpoint_answers_only_those_who_know_its_header(self, emulator):
        answer = ask(emulator, "GET", "/msi/token", token=None)
        assert answer["error"]["code"] == "Unauthorized"

    @pytest.mark.parametrize(
        ("body", "length", "code"),
        [("{", 1, "InvalidRequestContent"), ("{}", 1 << 40, "RequestEntityTooLarge")],
        ids=["no JSON", "too large"],
    )
    def test_an_unreadable_body_is_rejected_and_the_next_call_works(self, emulator, body, length, code):
        headers = {"Content-Length": str(length)}
        answer = send(emulator, "PUT", emulator.workspace.scope.id, body, headers)
        assert answer["error"]["code"] == code
        answer = ask(emulator, "GET", emulator.workspace.scope.id, version="2024-10-01-preview")
        assert answer["name"] == emulator.workspace.scope.workspace

    def test_a_job_needs_the_second_token(self, emulator):
        answer = ask(
            emulator, "PUT", emulator.workspace.id("jobs", "x"), version="2024-01-01-preview", body={}
        )
        assert "x-azureml-token" in answer["error"]["message"]

    def test_an_api_version_that_the_sdk_does_not_use_is_rejected(self, emulator):
        answer = ask(emulator, "GET", emulator.workspace.id("jobs"), version="2019-01-01")
        assert answer["error"]["code"] == "InvalidApiVersionParameter"

    def test_another_workspace_is_not_found(self, emulator):
        answer = ask(emulator, "GET", "/subscriptions/x/resourceGroups/y/providers/z/workspaces/other/jobs")
        assert answer["error"]["code"] == "ResourceNotFound"

    def test_an_unsupported_call_is_answered_with_not_emulated(self, emulator):
        answer = ask(emulator, "GET", emulator.workspace.id("onlineEndpoints"))
        assert answer["error"]["code"] == "NotEmulated"


class TestEndpoints:
    def test_a_deployment_becomes_the_default_once_it_is_there(self, client, pipeline):
        from azure.ai.ml.entities import BatchEndpoint, PipelineComponentBatchDeployment

        endpoint = BatchEndpoint(name="scoring", defaults={"deployment_name": "v1"})
        assert "no deployment 'v1'" in str(refusal(client.batch_endpoints.begin_create_or_update, endpoint))
        client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="scoring")).result()
        client.batch_deployments.begin_create_or_update(
            PipelineComponentBatchDeployment(name="v1", endpoint_name="scoring", component=pipeline.id)
        ).result()
        client.batch_endpoints.begin_create_or_update(endpoint).result()
        assert client.batch_endpoints.get("scoring").defaults.deployment_name == "v1"


class TestProcess:
    def test_it_prints_what_it_is_and_how_to_reach_it(self, azurite):
        command = [sys.executable, "-m", "dev.azureml"]
        environment = {**os.environ, "ScoringStorage": azurite.connection_string}
        with subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            lines: list[str] = []
            assert process.stdout is not None
            while not lines or "listens on" not in lines[-1]:
                lines.append(process.stdout.readline())
                assert lines[-1], "it ended early"
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        assert "an emulator of Azure Machine Learning on this machine: it checks no identity" in lines[0]
        named = {
            line.removeprefix("export ").partition("=")[0] for line in lines if line.startswith("export ")
        }
        assert {"AZUREML_DEV_URL_MFE", "REQUESTS_CA_BUNDLE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"} <= named

    def test_without_azurite_it_prints_what_to_start(self):
        nowhere = connection_string(1)
        ended = subprocess.run(
            [sys.executable, "-m", "dev.azureml"],
            env={**os.environ, "ScoringStorage": nowhere},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 1
        assert ended.stderr == (
            "error: no Azurite answers at ScoringStorage: start python -m dev.azurite first\n"
        )


def connection_string_of(blobs):
    port = int(blobs.primary_endpoint.split(":")[2].split("/")[0])
    return connection_string(port)


def put(emulator, path, properties):
    return ask(emulator, "PUT", path, version="2024-01-01-preview", body={"properties": properties}, job=True)


def ask(emulator, method, path, *, version="", body=None, token=GOOD_TOKEN, job=False):
    """One call without the SDK."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if job:
        headers["x-azureml-token"] = make_token("https://ml.azure.com", 1 << 40)
    address = f"{quote(path)}?api-version={version}"
    return send(emulator, method, address, None if body is None else json.dumps(body), headers)


def send(emulator, method, address, body, headers):
    context = ssl.create_default_context(cafile=emulator.certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", emulator.port, context=context)
    try:
        connection.request(method, address, body, headers)
        return json.load(connection.getresponse())
    finally:
        connection.close()
