"""What every engine keeps to, whichever the settings name: the same tests for each.

The steps run a stand-in (see `standin.py`), except where both engines must give the same bytes.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from pipeline.engine import StepState
from pipeline.engines import ENGINES
from pipeline.errors import PublishError
from pipeline.flow.manual import Request, submit_manual
from pipeline.flow.submit import submit_landing
from pipeline.published.publish import publish
from pipeline.runs.record import RunState
from pipeline.terminal.watch import follow
from tests.pipeline import small_fleet
from tests.pipeline.conftest import Fleet, until
from tests.pipeline.either_engine import finish, open_fleet

pytestmark = [pytest.mark.usefixtures("measured"), pytest.mark.xdist_group("azureml")]


@pytest.fixture(params=sorted(ENGINES))
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def engine_environment(name, environment, store, request) -> dict[str, str]:
    """Variables for either engine, the containers there and empty."""
    del store
    if name != "azureml":
        return dict(environment)
    emulator = request.getfixturevalue("emulator")
    emulator.workspace.forget(("components", "codes"))  # the stand-in's code has no version of its own
    return {**environment, **emulator.environment}


@pytest.fixture
def fleet(name, engine_environment, code, tmp_path) -> Iterator[Fleet]:
    fleet = open_fleet(name, engine_environment, tmp_path / "machine", code)
    yield fleet
    fleet.context.store.close()


@pytest.fixture
def other(name, engine_environment, code, tmp_path) -> Iterator[Fleet]:
    """The same engine once more, as another process would open it."""
    fleet = open_fleet(name, engine_environment, tmp_path / "machine", code)
    yield fleet
    fleet.context.store.close()


def test_publishing_what_is_there_changes_nothing(fleet):
    """Why: scripts and deployments publish, and repeat it when in doubt."""
    fleet.models(s1_1="score")
    first = fleet.publish()
    again = fleet.publish()
    assert (first.changed, again.changed) == (True, False)
    assert first.published == again.published


def test_publishing_reports_what_it_created(fleet, name):
    """Why: a submission has only the version."""
    fleet.models(s1_1="score", s1_2="score")
    published = fleet.publish().published
    assert (published.engine, published.steps) == (name, 2)
    assert published == fleet.context.published()


def test_nothing_can_be_published_without_models(fleet):
    """Why: an empty pipeline would always seem to succeed."""
    with pytest.raises(PublishError, match="no models"):
        fleet.publish()


def test_a_run_is_accepted_at_once_and_writes_predictions(fleet, tmp_path):
    """Why: a trigger has seconds, a run has hours."""
    fleet.models(s1_1=f"wait {tmp_path / 'accepted'}", s1_2="score")
    fleet.publish()
    fleet.land("a.csv", "1_1", "1_2")
    run = fleet.start("a.csv")
    assert not fleet.status(run).state.final
    (tmp_path / "accepted").touch()
    assert finish(fleet, run) is RunState.SUCCEEDED
    assert len(fleet.predictions(run)) == 4
    assert fleet.finished(run)


def test_a_run_that_is_submitted_again_is_the_same_run(fleet):
    """Why: a process that is not sure whether it succeeded submits again."""
    fleet.models(s1_1="score")
    published = fleet.publish().published
    run = fleet.start(fleet.land("a.csv", "1_1"))
    for _ in range(3):
        fleet.engine.submit(fleet.context.runs.load(run), published)
    assert finish(fleet, run) is RunState.SUCCEEDED
    fleet.engine.submit(fleet.context.runs.load(run), published)
    assert fleet.status(run).state is RunState.SUCCEEDED
    assert len(fleet.predictions(run)) == 2
    assert len(fleet.context.runs.newest()) == 1


def test_a_run_in_which_nothing_was_scored_has_failed(fleet):
    """Why: an operator who reads only states must see it."""
    fleet.models(s1_1="fail no luck")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    assert finish(fleet, run) is RunState.FAILED
    assert "no luck" in str(fleet.context.runs.load(run).error)


def test_logs_of_steps_are_shown_once_and_complete(fleet, capsys):
    """Why: the logs explain a failure, and repeated lines hide it."""
    fleet.models(s1_1="score", s1_2="fail its model is broken")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1", "1_2"))
    follow(fleet.context, run, logs=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if " | " in line]
    assert lines == ["score_1_2 | error: its model is broken"]
    assert {step for step, _ in fleet.engine.logs(run, {"score_1_1", "collect"})} == {"score_1_2"}


def test_a_canceled_run_stays_canceled(fleet):
    """Why: a cancellation must be reliable."""
    fleet.models(s1_1="sleep 120")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    until(lambda: any(step.state is StepState.RUNNING for step in fleet.engine.steps(run)))
    fleet.cancel(run)
    assert finish(fleet, run) is RunState.CANCELED
    fleet.cancel(run)
    assert fleet.status(run).state is RunState.CANCELED
    assert not fleet.finished(run)
    assert StepState.SUCCEEDED not in {step.state for step in fleet.engine.steps(run)}


def test_any_process_can_follow_and_stop_a_run(fleet, other):
    """Why: a host submits, a person at a terminal watches, another host sweeps."""
    fleet.models(s1_1="sleep 120")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    until(lambda: other.status(run).state is RunState.RUNNING)
    steps = until(lambda: other.engine.steps(run))
    assert [step.name for step in steps] == ["score_1_1", "collect"]
    other.cancel(run)
    assert finish(other, run) is RunState.CANCELED
    assert finish(fleet, run) is RunState.CANCELED


def test_a_run_finishes_with_the_version_that_it_started_with(fleet):
    """Why: publishing must not change active runs."""
    fleet.models(s1_1="sleep 2")
    fleet.publish()
    run = fleet.start(fleet.land("a.csv", "1_1"))
    fleet.models(s1_2="score")
    fleet.publish()
    assert finish(fleet, run) is RunState.SUCCEEDED
    assert [step.name for step in fleet.engine.steps(run)] == ["score_1_1", "collect"]


@pytest.mark.slow
def test_all_engines_write_the_same_bytes(environment, store, emulator, tmp_path):
    """Why: what was tried on one machine is what the cluster will say."""
    for model, content in small_fleet.models().items():
        store.models.put(model, content)
    store.data.put("2026/a b/ü.csv", small_fleet.readings())
    outputs = {}
    with ExitStack() as stack:
        for name in sorted(ENGINES):
            fleet = open_fleet(name, {**environment, **emulator.environment}, tmp_path / name, None)
            stack.callback(fleet.context.store.close)
            publish(fleet.context.store, fleet.context.settings, fleet.context.engine)
            # The run writes its name; and only one run can claim a landing.
            run = str(
                submit_manual(fleet.context, Request(), name=f"by-{name}", again=True, random_hex="").run
            )
            assert finish(fleet, run) is RunState.SUCCEEDED
            outputs[name] = {
                blob.name.removeprefix(run): store.preds.read(blob.name).data.replace(run.encode(), b"RUN")
                for blob in store.preds.list(f"{run}/", metadata=True)
                if not blob.is_folder and "/_steps/" not in blob.name
            }
    assert set(outputs["local"]) == set(outputs["azureml"])
    assert {"/preds_1_1.csv", "/summary.json", "/summary.csv", "/_SUCCESS"} <= set(outputs["local"])
    for path, content in outputs["local"].items():
        assert outputs["azureml"][path] == content, path


def test_a_sensor_that_the_last_landing_of_its_site_brought_is_silent(
    name, engine_environment, tmp_path, monkeypatch
):
    """Why: nobody confuses it with a healthy sensor, or with those of other sites."""
    # The list of runs that finished is not reused for the next landing, a moment later.
    monkeypatch.setattr("pipeline.flow.context.FRESH", timedelta(0))
    fleet = open_fleet(name, engine_environment, tmp_path / "machine", None)
    store = fleet.context.store
    for model, content in small_fleet.models().items():
        store.models.put(model, content)
    publish(store, fleet.context.settings, fleet.engine)
    rows = small_fleet.readings().splitlines(keepends=True)

    def silent(day: int, *others: bytes) -> list[str]:
        blob = f"2026/11/{day}/site-a.csv"
        content = [row for row in rows if not any(other in row for other in others)]
        store.data.put(blob, b"".join(content))
        run = str(submit_landing(fleet.context, blob).run)
        assert finish(fleet, run) is RunState.SUCCEEDED
        found = fleet.summary(run)["sensors"]
        return [f"{row['device']}_{row['sensor']}" for row in found if row["status"] == "silent"]

    assert silent(27, b",2,1,") == []
    assert silent(28, b",2,1,", b",1,2,") == ["1_2"]
    store.models.put("expected.txt", b"1_1\n2_1\n9,9\n")
    assert silent(29, b",2,1,") == ["2_1", "9_9"]
    store.close()


def test_a_landing_is_claimed_by_one_run_on_every_engine(fleet):
    """Why: the pipeline promises exactly once, and no engine may add a second run."""
    fleet.models(s1_1="score")
    fleet.publish()
    fleet.land("a.csv", "1_1")
    runs = {submit_landing(fleet.context, "a.csv").run for _ in range(5)}
    assert len(runs) == 1
    finish(fleet, str(runs.pop()))
    assert len(fleet.context.runs.newest()) == 1
