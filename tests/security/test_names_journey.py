"""Names from outside, from landing to report, with the project's own steps on Azurite."""

import pytest
import yaml

from pipeline.flow.manual import Request, submit_manual
from pipeline.flow.submit import Outcome, submit_landing
from pipeline.published.publish import load_documents
from pipeline.runs.landing import Manifest
from pipeline.runs.record import RunState
from pipeline.step_environment import ROOT
from scoring import SensorKey
from tests.scoring.run_command import scoring

BLOBS = (
    "$(touch pwned).csv",
    "`touch pwned`;touch pwned|touch pwned&.csv",
    "${{inputs.run}}/$[[--out=pwned]].csv",
    "--out=pwned",
    "<img src=x onerror=alert(1)>'\"></script>.csv",
    "%2e%2e%2f%2e%2e%2fpwned.csv",
    "- &a [*a]: {yaml: !!python/object/apply:os.system [touch pwned]}",
    "😀/ü\u202e\u2028\u0085.csv",
    "trailing../dots...",
    "x" * 1020 + ".csv",
    "/".join("y" * 100 for _ in range(10)),
)
KEYS = (
    SensorKey("../../pwned", "$(touch pwned)"),
    SensorKey("${{inputs.run}}", "<img src=x onerror=alert(1)>"),
    SensorKey("-- &a !!x:", "'\"`;|&\\"),
    SensorKey("😀", "..."),
)


def row(key: SensorKey, value: float) -> str:
    device, sensor = (text.replace('"', '""') for text in (key.device, key.sensor))
    return f'2026-01-01 00:00:00,"{device}","{sensor}",{value}\n'


@pytest.fixture
def scored(fleet, tmp_path):
    """A run over all these names, and the fleet; each blob has a reading of each sensor and a bad row."""
    training = "TS,Device,Sensor,Value\n" + "".join(
        row(key, 20 + number % 7) for number in range(60) for key in KEYS
    )
    (tmp_path / "training.csv").write_text(training, "utf-8")
    trained = scoring("train", "--data", tmp_path / "training.csv", "--models", tmp_path / "trained")
    assert trained.code == 0
    for model in (tmp_path / "trained").iterdir():
        fleet.context.store.models.upload(model.name, model)
    fleet.engine.code = ROOT
    fleet.publish()
    content = "TS,Device,Sensor,Value\n" + "".join(row(key, 21) for key in KEYS) + row(KEYS[1], float("nan"))
    for name in BLOBS:
        fleet.context.store.data.put(name, content.encode())
    run = submit_manual(fleet.context, Request(), random_hex="0123ab").run
    assert run is not None
    return fleet, fleet.ended(run)


def test_hostile_names_are_scored_like_any_other_and_stay_names(scored, tmp_path):
    fleet, record = scored
    store, run = fleet.context.store, record.run
    assert record.state is RunState.PARTLY, "each blob has a bad row"
    assert "rows rejected" in str(record.error)
    assert record.counts["scored"] == len(BLOBS) * len(KEYS)

    manifest = Manifest.from_bytes(store.runs.read(f"{run}/manifest.json").data, "it")
    uploaded = {blob.name for blob in store.data.list()}
    assert len(uploaded) == len(BLOBS)
    assert {landing.name for landing in manifest.landings} == uploaded
    summary = fleet.summary(run)
    assert {entry["name"]: entry["status"] for entry in summary["landings"]} == dict.fromkeys(
        uploaded, "partly-rejected"
    )
    assert {(one["device"], one["sensor"]) for one in summary["sensors"]} == {
        (key.device, key.sensor) for key in KEYS
    }

    expected = {"_SUCCESS", "boundaries.json", "days.csv", "episodes.csv", "rejects.csv", "report.html"}
    expected |= {"summary.csv", "summary.json", *(key.preds_name for key in KEYS)}
    shared = {"index.html", "fleet.html", "_fleet/state.json.gz"}  # pages come a little later
    there = {blob.name for blob in store.preds.list()} - shared
    assert there == {f"{run}/{name}" for name in expected}

    page = store.preds.read(f"{run}/report.html").data.decode()
    assert "<img src=x" not in page
    assert "onerror=alert(1)" in page

    assert not list(tmp_path.rglob("pwned*"))
    assert not list(ROOT.glob("pwned*"))


def test_nothing_from_data_stands_in_a_command_or_as_yaml_of_its_own(fleet):
    for key in KEYS:
        fleet.context.store.models.put(key.model_name, b"read by steps only")
    version = fleet.publish().published.version
    pipeline_yml, score_yml = load_documents(fleet.context.store, version)
    commands = [yaml.safe_load(score_yml)["command"]]
    jobs = yaml.safe_load(pipeline_yml)["jobs"]
    assert len(jobs) == len(KEYS) + 1
    commands += [job["component"]["command"] for job in jobs.values() if isinstance(job["component"], dict)]
    for command in commands:
        assert not [word for word in ("pwned", "onerror", "😀") if word in command]
    assert {job["inputs"]["key"] for job in jobs.values() if "key" in job["inputs"]} == {
        key.encoded for key in KEYS
    }
    assert all(name.isascii() and name.replace("_", "a").isalnum() for name in jobs)


@pytest.mark.parametrize("name", ["../../x.csv", "a/../b.csv", "./a.csv", "a/..", ".hidden/a.csv"])
def test_a_name_that_leads_elsewhere_is_never_asked_for(fleet, name):
    """The HTTP client resolves dots in an address: such a name would be another container's blob."""
    assert submit_landing(fleet.context, name).outcome is Outcome.SKIPPED
    assert not list(fleet.context.store.runs.list())


def test_no_process_of_this_project_is_a_shell():
    """What is started is started from a list of arguments, in the pipeline as in scoring."""
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("pipeline", "scoring")
        for path in (ROOT / folder).rglob("*.py")
    ) + (ROOT / "function_app.py").read_text("utf-8")
    for spelling in ("shell=True", "os.system", "os.popen", "create_subprocess_shell", "getoutput"):
        assert spelling not in code
    assert "subprocess.Popen(" in code
