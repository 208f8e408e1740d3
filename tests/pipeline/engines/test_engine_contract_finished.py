"""What every engine reports about a finished run: the same tests for each, on a run with a failed step."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from azure.storage.blob import BlobServiceClient

from pipeline.engine import StepState
from pipeline.engines import ENGINES
from pipeline.errors import EngineError
from pipeline.pages.fetch import fetch
from pipeline.published.documents import PublishedPipeline
from pipeline.published.publish import Publication
from pipeline.runs.record import RunState
from tests.conftest import new_environment
from tests.pipeline.conftest import Fleet, make_code, until
from tests.pipeline.either_engine import finish, open_fleet

pytestmark = pytest.mark.xdist_group("azureml")


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, and the fleet that it scored."""

    run: str
    fleet: Fleet
    publication: Publication
    environment: dict[str, str]
    state: RunState


@pytest.fixture(params=sorted(ENGINES), scope="module")
def finished(request, azurite, tmp_path_factory) -> Iterator[FinishedRun]:
    """Three sensors and five rows; the model of the second sensor is broken."""
    name, folder = request.param, tmp_path_factory.mktemp("finished")
    environment = new_environment(azurite)
    with pytest.MonkeyPatch.context() as patch:
        if name == "azureml":
            emulator = request.getfixturevalue("emulated_workspace")
            emulator.reset()
            emulator.workspace.forget(("components", "codes"))  # the stand-in has no version
            environment |= emulator.environment
        for variable, text in environment.items():
            patch.setenv(variable, text)
        fleet = open_fleet(name, environment, folder / "machine", make_code(folder))
        store = fleet.context.store
        for container in (store.data, store.models, store.preds, store.runs):
            container.ensure()
        fleet.models(s2_1="score", s1_2="fail its model is broken", s1_1="score")
        publication = fleet.publish()
        run = fleet.start(fleet.land("a.csv", "1_1", "1_2", "2_1", rows=5))
        yield FinishedRun(run, fleet, publication, environment, finish(fleet, run))
        fleet.context.store.close()


@pytest.fixture(autouse=True)
def working_environment(finished, monkeypatch):
    """Tests begin without variables of the machine; the SDK needs those of the emulator."""
    for name, text in finished.environment.items():
        monkeypatch.setenv(name, text)


def test_a_failing_step_is_the_only_failed_one(finished):
    """Why: one bad model in a fleet must not cost the others their predictions."""
    assert finished.state is RunState.PARTLY
    assert "sensor 1/2 failed: its model is broken" in str(
        finished.fleet.context.runs.load(finished.run).error
    )
    assert len(finished.fleet.predictions(finished.run)) == 10
    states = {step.name: step.state for step in finished.fleet.engine.steps(finished.run)}
    assert states == {
        "score_1_1": StepState.SUCCEEDED,
        "score_1_2": StepState.FAILED,
        "score_2_1": StepState.SUCCEEDED,
        "collect": StepState.SUCCEEDED,
    }
    (failed,) = [step for step in finished.fleet.engine.steps(finished.run) if step.error]
    assert "its model is broken" in str(failed.error)


def test_the_steps_are_in_the_order_of_the_pipeline(finished):
    """Why: `watch` and `status` list them, and must not jump."""
    steps = finished.fleet.engine.steps(finished.run)
    assert [step.name for step in steps] == ["score_1_1", "score_1_2", "score_2_1", "collect"]
    for step in steps:
        assert step.started is not None
        assert step.ended is not None
        assert step.started <= step.ended
        assert step.tries == 1


def test_the_totals_of_the_summary_are_the_counts_of_the_run(finished):
    """Why: the list of runs shows them without opening a file."""
    status = finished.fleet.status(finished.run)
    assert (status.counts["readings"], status.counts["scored"]) == (15, 10)
    assert status.counts == finished.fleet.context.runs.load(finished.run).counts


def test_it_cannot_be_canceled(finished):
    """Why: results that were read must not become invalid afterwards."""
    finished.fleet.cancel(finished.run)
    assert finished.fleet.status(finished.run).state is finished.state


def test_submitted_again_it_does_not_change(finished):
    """Why: a process that is not sure whether it succeeded submits again, also hours later."""
    runs = finished.fleet.context.runs
    before = runs.load(finished.run)
    finished.fleet.engine.submit(before, finished.publication.published)
    assert finished.fleet.status(finished.run).state is finished.state
    assert len(finished.fleet.predictions(finished.run)) == 10
    assert runs.newest() == [before]


def test_a_pipeline_that_was_published_for_another_engine_is_refused(finished):
    """Why: after a change of the engine the old publication is still the current one."""
    strange = PublishedPipeline(version=finished.publication.published.version, engine="another", steps=1)
    with pytest.raises(EngineError, match=r"was published for another.*python -m pipeline publish"):
        finished.fleet.engine.submit(finished.fleet.context.runs.load(finished.run), strange)


def test_a_browser_shows_the_report_of_a_run_and_the_page_of_runs(finished):
    """Why: with any other content type a browser offers them as downloads."""
    settings = finished.fleet.context.settings
    with BlobServiceClient.from_connection_string(settings.connection.connection_string) as account:
        for name in (f"{finished.run}/report.html", "index.html"):
            blob = account.get_blob_client(settings.containers.preds, name)
            until(blob.exists)  # the page of runs is written after the end of the run
            assert blob.get_blob_properties().content_settings.content_type == "text/html", name


def test_the_files_of_the_run_are_fetched(finished, tmp_path):
    """Why: on a mount of Azure ML each folder leaves an empty blob of its name."""
    assert fetch(finished.fleet.context.store, finished.run, tmp_path) == 5
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"_SUCCESS", "preds_1_1.csv", "preds_2_1.csv", "report.html", "summary.json"}
