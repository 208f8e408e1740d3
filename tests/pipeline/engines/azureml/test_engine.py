"""The engine for Azure Machine Learning, with the unmodified SDK, against the emulator."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import batched, takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.azureml.faults import Fault, Kind, Loss
from dev.azureml.history import PAGE
from dev.azureml.infrastructure import MAX_DEPLOYMENTS
from dev.azureml.jobs import Step
from dev.azurite import ACCOUNT
from pipeline import step_environment
from pipeline.alerts import RUN_FAILED
from pipeline.engine import StepState
from pipeline.engines.azureml.endpoint import KEPT, deployments
from pipeline.engines.azureml.setup import processors_of
from pipeline.engines.azureml.statuses import TABLE, states
from pipeline.engines.azureml.workspace import is_missing_workspace
from pipeline.errors import EngineError, PublishError
from pipeline.flow.context import Context
from pipeline.flow.recover import recover
from pipeline.flow.submit import Outcome, submit_landing
from pipeline.published import build, environment
from pipeline.published.publish import FleetModels, load_documents, prepare, publish
from pipeline.runs.record import RunState
from scoring import SensorKey
from scoring.formats import SUMMARY_JSON
from scoring.shards import Shard
from tests.pipeline import small_fleet
from tests.pipeline.conftest import plant_end
from tests.pipeline.counting import CountingTransport

pytestmark = pytest.mark.xdist_group("azureml")

DEADLINE = 90


@pytest.fixture
def context(azureml_settings, store) -> Iterator[Any]:
    for name, content in small_fleet.models().items():
        store.models.put(name, content)
    store.data.put("2026/a.csv", small_fleet.readings())
    context = Context.open(azureml_settings)
    yield context
    context.store.close()


@pytest.fixture
def ready(context):
    """The same, where the workspace has what is needed."""
    context.engine.set_up()
    return context


@pytest.fixture
def published(ready, emulator):
    """The same, where the pipeline is published."""
    publish(ready.store, ready.settings, ready.engine)
    emulator.requests.clear()
    return ready


@pytest.fixture
def held(emulator):
    """The workspace takes jobs and does not run them."""
    emulator.execution.holds = True
    yield
    emulator.execution.holds = False


@pytest.fixture
def taken(published, held):
    """The same, where jobs are taken and not run."""
    return published


@pytest.fixture
def unregistered(emulator):
    """Nothing was ever published in the workspace."""
    emulator.workspace.forget(("components", "environments", "codes"))


def calls(emulator):
    """What the workspace was asked so far, without its own long id."""
    return [line.replace(emulator.workspace.scope.id, "") for line in emulator.requests]


def status_of(context, run):
    return context.engine.status(context.runs.load(run))


def ended(context, run):
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        status = status_of(context, run)
        if status.state.final:
            return status
        time.sleep(0.1)
    pytest.fail(f"{run} did not end")


class TestPublishing:
    @pytest.mark.usefixtures("unregistered")
    def test_everything_missing_is_reported_together_and_nothing_is_registered(self, context, emulator):
        with pytest.raises(PublishError) as caught:
            publish(context.store, context.settings, context.engine)
        message = str(caught.value)
        assert "there is no compute 'cpu-cluster'" in message
        for name in ("scoring_data", "scoring_models", "scoring_preds", "scoring_runs"):
            assert f"there is no datastore '{name}'" in message
        assert "publish --setup" in message
        assert not [line for line in emulator.requests if not line.startswith("GET")]

    def test_a_missing_workspace_is_reported_with_the_settings_that_name_it(self, azureml_settings, context):
        context.engine.workspace.where = type(azureml_settings.azureml)("0" * 8, "group", "nowhere", "c")
        with pytest.raises(
            EngineError, match=r"there is no Azure ML workspace 'nowhere'.*AZUREML_WORKSPACE_NAME"
        ):
            publish(context.store, context.settings, context.engine)

    def test_a_missing_child_of_the_workspace_is_not_mistaken_for_a_missing_workspace(self, context):
        """Azure Resource Manager has one code for both."""
        from azure.core.exceptions import ResourceNotFoundError

        with pytest.raises(ResourceNotFoundError, match="ResourceNotFound") as caught:
            context.engine.workspace.client.compute.get("cpu-cluster")
        assert not is_missing_workspace(caught.value)
        assert deployments(context.engine.workspace) == set()

    def test_setup_creates_what_is_missing_and_nothing_else(self, context, emulator):
        created = context.engine.set_up()
        assert len(created) == 5
        resources = emulator.workspace.resources
        cluster = resources[emulator.workspace.id("computes", "cpu-cluster")]["properties"]["properties"]
        assert cluster["scaleSettings"]["minNodeCount"] == 0
        for what in ("data", "models", "preds", "runs"):
            datastore = resources[emulator.workspace.id("datastores", f"scoring_{what}")]["properties"]
            assert datastore["credentials"] == {"credentialsType": "None"}
            assert datastore["containerName"] == getattr(context.store, what).name
        emulator.requests.clear()
        assert context.engine.set_up() == []
        assert not [line for line in emulator.requests if line.startswith("PUT")]

    def test_setup_prints_the_roles_that_the_clusters_identity_needs(self, ready, emulator):
        """The same roles at the same places as the templates assign."""
        compute = emulator.workspace.resources[emulator.workspace.id("computes", "cpu-cluster")]
        commands = [shlex.split(line) for line in ready.engine.grants()]
        found = set()
        for command in commands:
            assert command[:4] == ["az", "role", "assignment", "create"]
            options = dict(batched(command[4:], 2, strict=True))
            assert options["--assignee-object-id"] == compute["identity"]["principalId"]
            found.add((options["--role"], options["--scope"].rpartition("/containers/")[2]))
        names = ready.store.containers
        assert found == {
            ("Storage Blob Data Reader", names.data),
            ("Storage Blob Data Reader", names.models),
            ("Storage Blob Data Reader", names.runs),
            ("Storage Blob Data Contributor", names.preds),
        }

    def test_where_the_workspace_has_a_registry_its_images_are_pulled_with_a_role(self, ready, emulator):
        registry = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r"
        emulator.workspace.registry = registry
        (line,) = [line for line in ready.engine.grants() if "AcrPull" in line]
        assert line.endswith(f'--role "AcrPull" --scope "{registry}"')
        emulator.workspace.registry = None

    def test_a_cluster_without_an_identity_is_reported(self, ready, emulator):
        compute = emulator.workspace.resources[emulator.workspace.id("computes", "cpu-cluster")]
        del compute["identity"]
        (line,) = ready.engine.grants()
        assert line.startswith("# compute 'cpu-cluster' has no identity: give it one")

    @pytest.mark.usefixtures("unregistered")
    def test_a_datastore_of_another_container_is_reported(self, ready, emulator):
        path = emulator.workspace.id("datastores", "scoring_preds")
        emulator.workspace.resources[path]["properties"]["containerName"] = "elsewhere"
        with pytest.raises(PublishError, match=f"'scoring_preds' is for {ACCOUNT}/elsewhere"):
            publish(ready.store, ready.settings, ready.engine)

    @pytest.mark.usefixtures("unregistered")
    def test_publishing_registers_environment_code_and_components(self, ready, emulator):
        published = publish(ready.store, ready.settings, ready.engine).published
        spec = emulator.workspace.specs[str(published.component)]
        assert sorted(spec["jobs"]) == ["collect", "score_1_1", "score_1_2", "score_2_1"]
        assert str(published.component).endswith(f"/components/{build.NAME}/versions/{published.version}")
        score = emulator.workspace.specs[spec["jobs"]["score_1_1"]["componentId"]]
        assert f"/environments/{environment.NAME}/versions/v" in score["environment"]
        assert spec["jobs"]["collect"]["outputs"]["preds"]["uri"] == build.PREDS

    def test_publishing_again_costs_one_lookup(self, published, emulator):
        assert not publish(published.store, published.settings, published.engine).changed
        assert [line.split()[0] for line in emulator.requests] == ["GET"]

    def test_another_sensor_is_another_version_with_the_same_code(self, published, emulator):
        published.store.models.put("model_3_1.skops", small_fleet.models()["model_1_1.skops"])
        assert publish(published.store, published.settings, published.engine).changed
        assert not [line for line in calls(emulator) if line.startswith(("PUT /codes", "PUT /environments"))]

    @pytest.mark.parametrize(("sensors", "gathering"), [(15, 0), (191, 2)])
    def test_fleets_of_any_size_are_published(self, ready, emulator, sensors, gathering):
        documents = build.build(
            [SensorKey(str(device), "1") for device in range(sensors)],
            shards=None,
            time_limit=timedelta(hours=1),
            limits=build.ReadingLimits(4, 10_240),
            environment="azureml:replaced:1",
            code="azureml:replaced:1",
        )
        published = ready.engine.publish(documents)
        assert published.steps == sensors
        jobs = emulator.workspace.specs[str(published.component)]["jobs"]
        assert len(jobs) == sensors + gathering + 1

    @pytest.mark.parametrize(("sensors", "setting", "steps"), [(20, None, 20), (21, None, 8), (21, 3, 3)])
    def test_a_large_fleet_has_a_step_for_each_processor_of_the_cluster(self, ready, sensors, setting, steps):
        """Four nodes of two processors each, as `publish --setup` makes them."""
        fleet = FleetModels(tuple(SensorKey("1", str(number)) for number in range(sensors)), ())
        documents = prepare(replace(ready.settings, shards=setting), fleet, ready.engine)
        assert (documents.steps, documents.sharded) == (steps, sensors > 20)

    def test_a_cluster_of_a_size_that_is_not_known_is_reported_with_the_setting(self, ready, emulator):
        compute = emulator.workspace.resources[emulator.workspace.id("computes", "cpu-cluster")]
        compute["properties"]["properties"]["vmSize"] = "Basic_A1"
        with pytest.raises(PublishError, match="of its size Basic_A1 is unknown: set SCORING_SHARDS"):
            ready.engine.processors()

    @pytest.mark.parametrize(
        ("size", "processors"),
        [
            ("Standard_D2ds_v4", 2),
            ("STANDARD_D4S_V3", 4),
            ("Standard_E8-4ds_v5", 4),
            ("Standard_F4s_v2", 4),
            ("Standard_DS3_v2", 4),
            ("Standard_D13_v2", 8),
            ("Standard_NC24ads_A100_v4", 24),
            ("Standard_ND96asr_v4", 96),
            ("Basic_A1", None),
        ],
    )
    def test_the_number_of_processors_follows_from_the_name_of_a_size(self, size, processors):
        assert processors_of(size) == processors

    def test_the_documents_load_from_disk_alone(self, published, tmp_path, monkeypatch):
        from azure.ai.ml import load_component

        monkeypatch.delenv("AZUREML_DEV_URL_MFE")
        version = published.published().version
        for name, content in zip(
            ("pipeline.yml", "score.yml"), load_documents(published.store, version), strict=True
        ):
            (tmp_path / name).write_bytes(content)
        assert load_component(tmp_path / "score.yml").name == build.SCORE_NAME
        assert len(load_component(tmp_path / "pipeline.yml").jobs) == 4

    def test_the_environment_pins_what_scoring_imports_and_needs(self):
        import ast
        import importlib.metadata

        root = step_environment.ROOT
        imported = (
            {
                name.split(".")[0]
                for path in (root / "scoring").rglob("*.py")
                for node in ast.walk(ast.parse(path.read_text()))
                for name in (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module]
                    if isinstance(node, ast.ImportFrom) and node.module
                    else []
                )
            }
            - sys.stdlib_module_names
            - {"scoring", "pandas", "sklearn", "skops"}  # for notebooks and training, which no step does
        )
        distributions = importlib.metadata.packages_distributions()
        waiting = {distributions[name][0] for name in imported}
        needed = set()
        while waiting:
            name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
            needed.add(name)
            for requirement in importlib.metadata.requires(name) or []:
                found = re.match(r"[A-Za-z0-9._-]+", requirement)
                if found and ";" not in requirement and found[0].lower() not in needed:
                    waiting.add(found[0])
        assert needed == set(environment.PACKAGES)
        (pins,) = [part["pip"] for part in environment.conda_file()["dependencies"] if isinstance(part, dict)]
        lock = (root / "requirements.txt").read_text()
        for pin in pins:
            requirement, *hashes = pin.split()
            name, version = requirement.split("==")
            assert importlib.metadata.version(name) == version
            assert hashes
            assert all(f"    {one}" in lock for one in hashes)
            rest = lock[lock.index(f"\n{requirement} ") + 1 :].splitlines()[1:]
            assert len(hashes) == len([*takewhile(lambda line: line.startswith("    --hash"), rest)])

    def test_the_environment_uses_neither_the_default_channel_nor_an_image_that_is_never_patched(self):
        """Newer conda refuses the default channels without a licence; a tag with a date never changes."""
        assert environment.conda_file()["channels"] == ["conda-forge", "nodefaults"]
        assert not re.search(r":\d{8}", environment.IMAGE)


class TestSubmitting:
    def test_a_landing_becomes_one_put(self, taken, emulator):
        run = submit_landing(taken, "2026/a.csv").run
        assert calls(emulator) == [f"PUT /jobs/{run}"]

    def test_the_job_says_what_it_is(self, taken, emulator):
        run = submit_landing(taken, "2026/a.csv").run
        sent = emulator.jobs.jobs[run].properties
        assert sent["componentId"] == taken.published().component
        assert sent["tags"] == {
            "cause": "blob: 2026/a.csv",
            "landings": f"{taken.store.runs.name}/{run}/manifest.json",
            "published": taken.published().version,
        }
        assert sent["experimentName"] == "fleet-scoring"
        settings = sent["settings"]
        assert settings["default_compute"] == emulator.workspace.id("computes", "cpu-cluster")
        assert settings["continue_on_step_failure"] is True
        assert settings["force_rerun"] is True
        assert {name: one.get("uri", one.get("value")) for name, one in sent["inputs"].items()} == {
            "data": "azureml://datastores/scoring_data/paths/",
            "models": "azureml://datastores/scoring_models/paths/",
            "manifest": f"azureml://datastores/scoring_runs/paths/{run}/manifest.json",
            "run": run,
        }

    def test_one_landing_costs_at_most_eight_storage_requests(self, taken, azureml_settings, emulator):
        transport = CountingTransport()
        from pipeline.engines.azureml.engine import AzureMLEngine
        from pipeline.runs.store import Runs
        from pipeline.storage.account import Store

        store = Store.connect(azureml_settings, transport=transport)
        engine = AzureMLEngine(azureml_settings, store, Runs(store, taken.clock))
        context = Context(azureml_settings, store, engine, taken.clock)
        context.published(), context.acquire_slot()  # a host that has run for a while has cached both
        transport.requests.clear()
        assert submit_landing(context, "2026/a.csv").outcome is Outcome.SUBMITTED
        store.close()
        assert len(transport.requests) <= 8
        assert len(emulator.requests) == 1

    @pytest.mark.parametrize("duplicates", ["same", "refuse"])
    def test_submitting_again_makes_no_second_job(self, taken, emulator, duplicates):
        emulator.jobs.duplicates = duplicates
        run = submit_landing(taken, "2026/a.csv").run
        record = taken.runs.load(run)
        taken.engine.submit(record, taken.published())
        assert list(emulator.jobs.jobs) == [run]

    def test_another_job_of_this_name_is_reported(self, taken, emulator):
        run = submit_landing(taken, "2026/a.csv").run
        emulator.jobs.jobs[run].properties["componentId"] = "/another"
        with pytest.raises(EngineError, match=r"another job of this name.*its component is '/another'"):
            taken.engine.submit(taken.runs.load(run), taken.published())

    @pytest.mark.parametrize("status", [429, 500, 503])
    @pytest.mark.parametrize("duplicates", ["same", "refuse"])
    def test_a_busy_service_gets_one_job(self, taken, emulator, status, duplicates):
        emulator.jobs.duplicates = duplicates
        emulator.faults.add(Fault("PUT .*/jobs/", status=status, retry_after=0))
        submission = submit_landing(taken, "2026/a.csv")
        assert submission.outcome is Outcome.SUBMITTED
        assert list(emulator.jobs.jobs) == [submission.run]
        assert taken.runs.load(submission.run).state is RunState.SUBMITTED

    @pytest.mark.parametrize("kind", [Kind.CUT_BEFORE, Kind.CUT_AFTER])
    @pytest.mark.parametrize("duplicates", ["same", "refuse"])
    def test_a_connection_that_breaks_gets_one_job(self, taken, emulator, kind, duplicates):
        emulator.jobs.duplicates = duplicates
        emulator.faults.add(Fault("PUT .*/jobs/", kind))
        submission = submit_landing(taken, "2026/a.csv")
        assert submission.outcome is Outcome.SUBMITTED
        assert list(emulator.jobs.jobs) == [submission.run]
        assert taken.runs.load(submission.run).state is RunState.SUBMITTED

    def test_a_run_that_an_unavailable_service_did_not_accept_can_be_resumed(
        self, taken, emulator, monkeypatch
    ):
        monkeypatch.setattr("pipeline.engines.azureml.workspace.LONGEST_WAIT", 0.01)
        emulator.faults.add(Fault("PUT .*/jobs/", status=503, times=99))
        with pytest.raises(EngineError, match="keeps returning 503; try again later"):
            submit_landing(taken, "2026/a.csv")
        (record,) = taken.runs.newest()
        assert record.state is RunState.PENDING

    def test_retry_after_is_obeyed_up_to_a_limit(self, taken, emulator, monkeypatch):
        monkeypatch.setattr("pipeline.engines.azureml.workspace.LONGEST_WAIT", 0.2)
        emulator.faults.add(Fault("PUT .*/jobs/", status=429, retry_after=3600))
        began = time.monotonic()
        submit_landing(taken, "2026/a.csv")
        assert 0.2 <= time.monotonic() - began < DEADLINE

    @pytest.mark.usefixtures("taken")
    def test_ten_deliveries_by_four_hosts_at_once_are_one_job(self, azureml_settings, emulator):
        hosts = [Context.open(azureml_settings) for _ in range(4)]
        for host in hosts:
            host.published()
        barrier = threading.Barrier(10)

        def deliver(number):
            barrier.wait()
            return submit_landing(hosts[number % 4], "2026/a.csv")

        with ThreadPoolExecutor(10) as pool:
            outcomes = [one.outcome for one in pool.map(deliver, range(10))]
        for host in hosts:
            host.store.close()
        assert outcomes.count(Outcome.SUBMITTED) == 1
        assert len(emulator.jobs.jobs) == 1

    def test_a_refused_credential_is_reported_with_the_role(self, taken, emulator):
        emulator.identity.lifetime = -10
        with pytest.raises(EngineError, match=r"refuses the credential.*AzureML Data Scientist"):
            submit_landing(taken, "2026/a.csv")

    def test_a_token_that_runs_out_is_replaced(self, taken, emulator):
        emulator.identity.lifetime = 2  # so short that the client asks for a new one each time
        submit_landing(taken, "2026/a.csv")
        before = emulator.identity.issued
        taken.store.data.put("2026/b.csv", small_fleet.readings())
        submit_landing(taken, "2026/b.csv")
        assert emulator.identity.issued > before
        assert len(emulator.jobs.jobs) == 2


class TestRunning:
    def test_a_landing_is_scored(self, published):
        run = submit_landing(published, "2026/a.csv").run
        status = ended(published, run)
        assert (status.state, status.error) == (RunState.SUCCEEDED, None)
        assert status.counts["sensors_scored"] == 3
        assert status.counts["anomalies"] >= 3
        names = {blob.name for blob in published.store.preds.list(f"{run}/")}
        assert {f"{run}/preds_1_1.csv", f"{run}/summary.json", f"{run}/_SUCCESS"} <= names
        found = {step.name: step.state for step in published.engine.steps(run)}
        assert list(found) == ["score_1_1", "score_1_2", "score_2_1", "collect"]
        assert set(found.values()) == {StepState.SUCCEEDED}

    @pytest.mark.usefixtures("unregistered")
    def test_steps_run_the_code_that_was_uploaded(self, ready, tmp_path):
        root = step_environment.ROOT
        shutil.copytree(root / "scoring", tmp_path / "scoring")
        start = tmp_path / "scoring" / "__main__.py"
        start.write_text(f"print('not what lies in the working tree')\n{start.read_text()}")
        ready.engine.code = tmp_path
        publish(ready.store, ready.settings, ready.engine)
        shutil.rmtree(tmp_path / "scoring")
        run = submit_landing(ready, "2026/a.csv").run
        assert ended(ready, run).state is RunState.SUCCEEDED
        assert all(log.startswith("not what lies in the working tree") for _, log in ready.engine.logs(run))

    @pytest.mark.parametrize("end", ["Completed", "Failed"])
    @pytest.mark.parametrize("after", [None, 0.05], ids=["never started", "was running"])
    def test_a_run_that_lost_a_step_is_tried_again_for_its_sensor(self, published, emulator, end, after):
        """Azure ML does not retry a step: a node can be evicted, and the job ends all the same."""
        emulator.faults.lose(Loss("score_1_2", after=after, job=end))
        run = submit_landing(published, "2026/a.csv").run
        status = ended(published, run)
        assert (status.state, status.retry, status.missing) == (RunState.PARTLY, True, ("1_2",))
        assert "sensor 1/2" in str(status.error) or "1 sensor" in str(status.error)
        recover(published, datetime.now(UTC))  # records how it ended
        recover(published, datetime.now(UTC))
        again = ended(published, f"{run}-2")
        assert (again.state, again.counts["sensors_scored"]) == (RunState.SUCCEEDED, 1)
        names = [blob.name for blob in published.store.preds.list(run)]
        assert f"{run}/_SUCCESS" in names
        assert f"{run}-2/_SUCCESS" in names
        scored = sorted(name.rpartition("/")[2] for name in names if "/preds_" in name)
        assert scored == ["preds_1_1.csv", "preds_1_2.csv", "preds_2_1.csv"]

    def test_a_lost_shard_is_a_lost_step(self, ready, emulator):
        ready = Context(
            replace(ready.settings, max_steps=2, shards=2), ready.store, ready.engine, ready.clock
        )
        publish(ready.store, ready.settings, ready.engine)
        keys = [SensorKey(*sensor) for sensor in small_fleet.SENSORS]
        shard = next(shard for shard in (Shard(0, 2), Shard(1, 2)) if shard.covers(keys[0]))
        emulator.faults.lose(Loss(f"score_shard_000{shard.index}_of_0002"))
        status = ended(ready, submit_landing(ready, "2026/a.csv").run)
        assert status.missing == tuple(key.encoded for key in keys if shard.covers(key))
        assert status.retry

    def test_a_run_of_which_every_node_was_preempted_is_tried_again_as_a_whole(self, published, emulator):
        emulator.faults.lose(Loss("score_.*", times=3))
        status = ended(published, submit_landing(published, "2026/a.csv").run)
        assert (status.state, status.retry, status.missing) == (RunState.FAILED, True, ())

    def test_a_sensor_that_is_newer_than_the_pipeline_does_not_cause_a_retry(self, published):
        published.store.models.put("model_3_1.skops", small_fleet.models()["model_1_1.skops"])
        published.store.data.put("2026/new.csv", small_fleet.readings().replace(b",2,1,", b",3,1,"))
        status = ended(published, submit_landing(published, "2026/new.csv").run)
        assert (status.state, status.retry) == (RunState.PARTLY, False)
        assert "sensor 3/1: no step wrote a result" in str(status.error)

    def test_on_its_last_try_a_run_that_lost_a_step_is_final_and_raises_an_alert(
        self, published, emulator, caplog
    ):
        last = Context(
            replace(published.settings, max_tries=1), published.store, published.engine, published.clock
        )
        emulator.faults.lose(Loss("score_1_2"))
        run = str(submit_landing(last, "2026/a.csv").run)
        assert ended(last, run).counts["sensors_scored"] == 2
        recover(last, datetime.now(UTC))
        recover(last, datetime.now(UTC))
        assert f"{RUN_FAILED} run {run} for 1 sensor: " in caplog.text
        assert (last.runs.load(run).state, last.runs.load(run).retry) == (RunState.PARTLY, False)
        assert last.runs.markers.all() == []

    @pytest.mark.parametrize("summary", [None, b"{"], ids=["removed", "damaged"])
    def test_a_finished_folder_without_its_summary_is_final_and_not_polled_for_ever(
        self, published, emulator, caplog, summary
    ):
        """Why: its predictions are there, so another try would predict each reading again.

        Where a log of `collect` shows that somebody else wrote the summary, the run is tried again.
        """
        run = str(submit_landing(published, "2026/a.csv").run)
        assert ended(published, run).state is RunState.SUCCEEDED
        if summary is None:
            published.store.preds.delete(f"{run}/summary.json")
        else:
            published.store.preds.put(f"{run}/summary.json", summary)
            emulator.jobs.jobs[run].steps["collect"].log.unlink()
        assert recover(published, datetime.now(UTC)).finished == 1
        where = f"{published.store.preds.name}/{run}/summary.json"
        assert f"{RUN_FAILED} run {run}: {where}" in caplog.text
        assert (published.runs.load(run).state, published.runs.markers.all()) == (RunState.FAILED, [])

    def test_a_run_that_lost_its_last_step_is_tried_again(self, published, emulator):
        emulator.faults.lose(Loss("collect", after=0.05, job="Completed"))
        status = ended(published, submit_landing(published, "2026/a.csv").run)
        assert (status.state, status.retry) == (RunState.FAILED, True)
        assert status.error == (
            "its job has no results: step collect: The node that the step ran on was preempted."
        )

    def test_one_bad_model_fails_only_its_own_step_whose_error_names_it(self, published):
        published.store.models.put("model_1_2.skops", b"no model")
        run = submit_landing(published, "2026/a.csv").run
        status = ended(published, run)
        assert status.state is RunState.PARTLY
        assert "sensor 1/2: model_1_2.skops" in str(status.error)
        failed = {
            step.name: step.error for step in published.engine.steps(run) if step.state is StepState.FAILED
        }
        assert list(failed) == ["score_1_2"]
        assert "1_2" in str(failed["score_1_2"])
        logs = dict(published.engine.logs(run))
        assert list(logs) == ["score_1_1", "score_1_2", "score_2_1", "collect"]
        assert "model_1_2.skops" in logs["score_1_2"]


class TestFollowing:
    def test_every_status_of_the_sdk_maps_to_one_of_ours(self):
        from azure.ai.ml.operations._run_history_constants import RunHistoryConstants

        assert set(RunHistoryConstants.ALL_STATUSES) <= set(TABLE)
        final = {word for word, (state, _) in TABLE.items() if state.final}
        assert final == {"Completed", "Failed", "Canceled"}

    def test_an_unknown_status_is_not_final(self):
        assert states("Hibernating") == (RunState.RUNNING, StepState.RUNNING)

    @pytest.mark.parametrize("word", sorted(set(TABLE) - {"Completed", "Failed"}))
    def test_a_job_stands_as_the_table_says(self, taken, emulator, word):
        run = submit_landing(taken, "2026/a.csv").run
        emulator.jobs.jobs[run].status = word
        assert status_of(taken, run).state is TABLE[word][0]

    def test_a_job_that_vanished_is_lost_and_can_be_submitted_again(self, taken, emulator):
        run = submit_landing(taken, "2026/a.csv").run
        del emulator.jobs.jobs[run]
        status = status_of(taken, run)
        assert (status.state, status.lost) == (RunState.SUBMITTED, True)
        taken.engine.submit(taken.runs.load(run), taken.published())
        assert not status_of(taken, run).lost

    def test_a_cancelled_run_ends_so(self, taken, emulator):
        run = submit_landing(taken, "2026/a.csv").run
        taken.engine.cancel(taken.runs.load(run))
        assert emulator.jobs.jobs[run].canceled.is_set()
        emulator.jobs.jobs[run].status = "Canceled"
        assert status_of(taken, run).state is RunState.CANCELED
        taken.engine.cancel(taken.runs.load(run))

    def test_steps_on_many_pages_are_all_listed(self, taken, emulator):
        run = submit_landing(taken, "2026/a.csv").run
        emulator.jobs.jobs[run].steps = {
            name: Step(f"id-{name}", name, Path(), "Completed")
            for name in (f"step_{number:03}" for number in range(2 * PAGE + 1))
        }
        found = taken.engine.steps(run)
        assert [step.name for step in found[:5]] == [
            "score_1_1",
            "score_1_2",
            "score_2_1",
            "collect",
            "step_000",
        ]
        assert len(found) == 4 + 2 * PAGE + 1
        assert {step.state for step in found[:4]} == {StepState.WAITING}

    @pytest.mark.parametrize("word", ["Completed", "Failed"])
    def test_a_job_without_results_has_failed_in_any_status(self, taken, emulator, word):
        run = submit_landing(taken, "2026/a.csv").run
        job = emulator.jobs.jobs[run]
        job.steps = {"collect": Step("id", "collect", Path(), "Failed", error="no space\n left")}
        job.status = word
        status = status_of(taken, run)
        assert (status.state, status.retry) == (RunState.FAILED, True)
        assert status.error == "its job has no results: step collect: no space left"

    @pytest.mark.parametrize("word", ["Completed", "Failed"])
    def test_who_may_write_predictions_cannot_end_a_run(self, taken, emulator, word, tmp_path):
        run = submit_landing(taken, "2026/a.csv").run
        plant_end(taken, str(run))
        job = emulator.jobs.jobs[run]
        job.steps = {"collect": Step("id", "collect", Path(), "Failed", error="no space")}
        job.status = word
        assert status_of(taken, run).error == "its job has no results: step collect: no space"
        job.steps["collect"].status = "Running"  # run history is behind
        job.steps["collect"].log = tmp_path / "std_log.txt"
        job.steps["collect"].log.write_text("it has not logged a summary\n")
        assert status_of(taken, run).state is RunState.RUNNING

    def test_a_run_ends_when_collect_has_logged_its_summary_and_not_when_its_job_does(
        self, published, emulator
    ):
        run = submit_landing(published, "2026/a.csv").run
        assert ended(published, run).state is RunState.SUCCEEDED
        job = emulator.jobs.jobs[run]
        job.status = job.steps["collect"].status = "Running"
        assert status_of(published, run).state is RunState.SUCCEEDED
        published.store.preds.put(f"{run}/{SUMMARY_JSON}", b"{}")
        assert status_of(published, run).state is RunState.RUNNING

    def test_a_summary_that_collect_did_not_write_is_not_believed(self, published):
        run = submit_landing(published, "2026/a.csv").run
        assert ended(published, run).state is RunState.SUCCEEDED
        path = f"{run}/{SUMMARY_JSON}"
        summary = json.loads(published.store.preds.read(path).data)
        for row in (summary["totals"], *summary["sensors"]):
            row["anomalies"] = 0
        published.store.preds.put(path, json.dumps(summary).encode())
        status = status_of(published, run)
        assert (status.state, status.retry, status.counts) == (RunState.FAILED, True, {})
        assert "summary.json is not what collect wrote: find out who else writes to" in str(status.error)

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"run": "another"}, "is the summary of another run"),
            ({"landings": []}, "does not have the landings"),
            ({"sensors": []}, "has totals that are not those of its sensors"),
        ],
    )
    def test_without_a_log_a_summary_must_fit_the_manifest(self, published, emulator, change, problem):
        """Code that earlier releases published logs no hash."""
        run = submit_landing(published, "2026/a.csv").run
        assert ended(published, run).state is RunState.SUCCEEDED
        emulator.jobs.jobs[run].steps["collect"].log.unlink()
        assert status_of(published, run).state is RunState.SUCCEEDED
        path = f"{run}/{SUMMARY_JSON}"
        summary = json.loads(published.store.preds.read(path).data) | change
        published.store.preds.put(path, json.dumps(summary).encode())
        status = status_of(published, run)
        assert (status.state, problem in str(status.error)) == (RunState.FAILED, True)


class TestEndpoint:
    def test_the_last_versions_stay_behind_the_endpoint_and_the_default_always(self, published):
        engine, first = published.engine, published.published()
        versions = [f"v{number:02}" for number in range(MAX_DEPLOYMENTS + 2)]
        engine.deploy(replace(first, version=versions[0]))
        engine.deploy(replace(first, version=versions[1]))
        engine.roll_back(versions[0])
        for version in versions[2:]:
            engine.deploy(replace(first, version=version))
        assert deployments(engine.workspace) == set(versions[-KEPT:])
        engine.roll_back(versions[-2])
        engine.deploy(replace(first, version="v99"))
        assert deployments(engine.workspace) == {*versions[-KEPT + 1 :], "v99"}

    def test_an_endpoint_has_at_most_twenty_deployments(self, published):
        from azure.ai.ml.entities import BatchEndpoint, PipelineComponentBatchDeployment
        from azure.core.exceptions import HttpResponseError

        client, component = published.engine.workspace.client, published.published().component

        def deploy(number):
            deployment = PipelineComponentBatchDeployment(
                name=f"v{number}", endpoint_name="full", component=component
            )
            client.batch_deployments.begin_create_or_update(deployment).result()

        client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="full")).result()
        for number in range(MAX_DEPLOYMENTS):
            deploy(number)
        with pytest.raises(HttpResponseError, match="at most 20 deployments"):
            deploy(MAX_DEPLOYMENTS)

    def test_each_version_stays_behind_the_endpoint_for_a_roll_back(self, published, emulator):
        engine, first = published.engine, published.published()
        name = engine.deploy(first)
        published.store.models.put("model_3_1.skops", small_fleet.models()["model_1_1.skops"])
        second = publish(published.store, published.settings, published.engine).published
        engine.deploy(second)
        assert deployments(engine.workspace) == {first.version, second.version}
        endpoint = emulator.workspace.resources[emulator.workspace.id("batchEndpoints", name)]
        assert endpoint["properties"]["defaults"] == {"deploymentName": second.version}
        engine.roll_back(first.version)
        endpoint = emulator.workspace.resources[emulator.workspace.id("batchEndpoints", name)]
        assert endpoint["properties"]["defaults"] == {"deploymentName": first.version}

    def test_a_deployment_runs_as_a_submission_would(self, published, emulator):
        name = published.engine.deploy(published.published())
        version = published.published().version
        deployment = emulator.workspace.resources[
            emulator.workspace.id("batchEndpoints", name, "deployments", version)
        ]
        settings = deployment["properties"]["deploymentConfiguration"]["settings"]
        assert settings == {
            "default_compute": "cpu-cluster",
            "continue_on_step_failure": "True",
            "force_rerun": "True",
        }

    def test_a_version_that_was_never_deployed_is_reported_with_those_that_were(self, published):
        published.engine.deploy(published.published())
        with pytest.raises(
            PublishError, match=f"no deployment 'v0'; there are: {published.published().version}"
        ):
            published.engine.roll_back("v0")


def test_the_local_engine_never_imports_the_sdk():
    script = (
        "import sys, pipeline.engines.local.engine, pipeline.engines.azureml.engine\n"
        "sys.exit('azure.ai.ml' in sys.modules or 'azure.identity' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], check=False, cwd=step_environment.ROOT).returncode == 0
    )


def test_a_conda_file_is_plain_yaml():
    assert yaml.safe_load(yaml.safe_dump(environment.conda_file()))["dependencies"][0] == "python=3.13"
