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
class Over:
    """A finished run, and the fleet that it scored."""

    run: str
    fleet: Fleet
    publication: Publication
    environment: dict[str, str]
    state: RunState


@pytest.fixture(params=sorted(ENGINES), scope="module")
def over(request, azurite, tmp_path_factory) -> Iterator[Over]:
    """Three sensors and five rows; the model of the second sensor is broken."""
    name, folder = request.param, tmp_path_factory.mktemp("over")
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
        yield Over(run, fleet, publication, environment, finish(fleet, run))
        fleet.context.store.close()


@pytest.fixture(autouse=True)
def working_environment(over, monkeypatch):
    """Tests begin without variables of the machine; the SDK needs those of the emulator."""
    for name, text in over.environment.items():
        monkeypatch.setenv(name, text)


def test_a_failing_step_is_the_only_failed_one(over):
    """Why: one bad model in a fleet must not cost the others their predictions."""
    assert over.state is RunState.PARTLY
    assert "sensor 1/2 failed: its model is broken" in str(over.fleet.context.runs.load(over.run).error)
    assert len(over.fleet.predictions(over.run)) == 10
    states = {step.name: step.state for step in over.fleet.engine.steps(over.run)}
    assert states == {
        "score_1_1": StepState.SUCCEEDED,
        "score_1_2": StepState.FAILED,
        "score_2_1": StepState.SUCCEEDED,
        "collect": StepState.SUCCEEDED,
    }
    (failed,) = [step for step in over.fleet.engine.steps(over.run) if step.error]
    assert "its model is broken" in str(failed.error)


def test_the_steps_stand_in_the_order_of_the_pipeline(over):
    """Why: `watch` and `status` list them, and must not jump."""
    steps = over.fleet.engine.steps(over.run)
    assert [step.name for step in steps] == ["score_1_1", "score_1_2", "score_2_1", "collect"]
    for step in steps:
        assert step.started is not None
        assert step.ended is not None
        assert step.started <= step.ended
        assert step.tries == 1


def test_the_totals_of_the_summary_are_the_counts_of_the_run(over):
    """Why: the list of runs shows them without opening a file."""
    status = over.fleet.engine.status(over.run)
    assert (status.counts["readings"], status.counts["scored"]) == (15, 10)
    assert status.counts == over.fleet.context.runs.load(over.run).counts


def test_it_cannot_be_canceled(over):
    """Why: results that were read must not become invalid afterwards."""
    over.fleet.engine.cancel(over.run)
    assert over.fleet.engine.status(over.run).state is over.state


def test_handed_in_again_it_stays_as_it_is(over):
    """Why: a process that is not sure whether it succeeded submits again, also hours later."""
    runs = over.fleet.context.runs
    before = runs.load(over.run)
    over.fleet.engine.submit(before, over.publication.published)
    assert over.fleet.engine.status(over.run).state is over.state
    assert len(over.fleet.predictions(over.run)) == 10
    assert runs.newest() == [before]


def test_a_pipeline_that_was_published_for_another_engine_is_refused(over):
    """Why: after a change of the engine the old publication is still the current one."""
    strange = PublishedPipeline(version=over.publication.published.version, engine="another", steps=1)
    with pytest.raises(EngineError, match=r"was published for another.*python -m pipeline publish"):
        over.fleet.engine.submit(over.fleet.context.runs.load(over.run), strange)


def test_a_browser_shows_the_report_of_a_run_and_the_page_of_runs(over):
    """Why: with any other content type a browser offers them as downloads."""
    settings = over.fleet.context.settings
    with BlobServiceClient.from_connection_string(settings.connection.connection_string) as account:
        for name in (f"{over.run}/report.html", "index.html"):
            blob = account.get_blob_client(settings.containers.preds, name)
            until(blob.exists)  # the page of runs is written after the end of the run
            assert blob.get_blob_properties().content_settings.content_type == "text/html", name


def test_what_is_fetched_are_the_files_of_the_run(over, tmp_path):
    """Why: on a mount of Azure ML each folder leaves an empty blob of its name."""
    assert fetch(over.fleet.context.store, over.run, tmp_path) == 5
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"_SUCCESS", "preds_1_1.csv", "preds_2_1.csv", "report.html", "summary.json"}
