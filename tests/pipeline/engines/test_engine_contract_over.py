"""What every engine tells of a run that is over: the same tests for each, on a run in which a step failed."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pipeline.engine import StepState
from pipeline.engines import ENGINES
from pipeline.errors import EngineError
from pipeline.published.documents import PublishedPipeline
from pipeline.published.publish import Publication
from pipeline.runs.record import RunState
from tests.conftest import new_environment
from tests.pipeline.conftest import Fleet, make_code
from tests.pipeline.either_engine import finish, open_fleet

pytestmark = pytest.mark.xdist_group("azureml")


@dataclass(frozen=True)
class Over:
    """A run that is over, and the fleet that it scored."""

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
def surroundings(over, monkeypatch):
    """Tests begin without variables of the machine; the SDK needs those of the emulator."""
    for name, text in over.environment.items():
        monkeypatch.setenv(name, text)


def test_a_failing_step_has_failed_itself_and_no_other(over):
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
    """Why: results that were read must not be declared void afterwards."""
    over.fleet.engine.cancel(over.run)
    assert over.fleet.engine.status(over.run).state is over.state


def test_handed_in_again_it_stays_as_it_is(over):
    """Why: whoever was not sure that it was taken hands it in again, hours later too."""
    runs = over.fleet.context.runs
    before = runs.load(over.run)
    over.fleet.engine.submit(before, over.publication.published)
    assert over.fleet.engine.status(over.run).state is over.state
    assert len(over.fleet.predictions(over.run)) == 10
    assert runs.newest() == [before]


def test_a_pipeline_that_was_published_for_another_engine_is_refused(over):
    """Why: after a change of engine the old publication is still the current one."""
    strange = PublishedPipeline(version=over.publication.published.version, engine="another", steps=1)
    with pytest.raises(EngineError, match=r"was published for another.*python -m pipeline publish"):
        over.fleet.engine.submit(over.fleet.context.runs.load(over.run), strange)
