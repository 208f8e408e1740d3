"""`python -m pipeline` as its users meet it: what it says and how it ends, in good cases and bad."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.cli import COMMANDS, main
from pipeline.errors import EngineError
from pipeline.flow.submit import submit_landing
from pipeline.runs.record import RunState
from pipeline.step_environment import ROOT
from pipeline.storage.account import Store

ARGUMENTS = {
    "upload": [__file__],
    "publish": [],
    "submit": ["a.csv"],
    "sweep": [],
    "runs": [],
    "status": ["timer-20260101-000000"],
    "watch": ["timer-20260101-000000"],
    "report": ["timer-20260101-000000"],
    "download": ["timer-20260101-000000"],
    "cancel": ["timer-20260101-000000"],
    "doctor": [],
    "cleanup": [],
    "schedule": ["show"],
    "notify": [],
    "mute": ["1/2", "--until", "2999-01-01", "--reason", "its fan is being replaced"],
    "unmute": ["1/2"],
}
ABOUT_A_RUN = ["status", "watch", "report", "download", "cancel"]


@pytest.fixture
def in_place(here, store: Store):
    """The same with its four containers."""
    for container in (store.data, store.models, store.preds, store.runs):
        container.ensure()
    return store


def output(capsys):
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.out, captured.err


def test_every_command_is_listed_here():
    assert set(ARGUMENTS) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_and_its_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert f"  python -m pipeline {command}" in text
    assert "Exit codes: 0 " in text


@pytest.mark.parametrize("argv", [[], ["nonsense"], *([command, "--nonsense"] for command in COMMANDS)])
def test_a_usage_error_is_reported_in_one_line(argv, capsys):
    with pytest.raises(SystemExit) as left:
        main(argv)
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_settings_are_named_in_one_line_and_end_with_2(command, here, monkeypatch, capsys):
    monkeypatch.setenv("SCORING_MAX_STEPS", "many")
    monkeypatch.setenv("SCORING_ENGINE", "abacus")
    assert main([command, *ARGUMENTS[command]]) == 2
    _, err = output(capsys)
    assert err.count("\n") == 1
    assert "SCORING_ENGINE" in err
    assert "SCORING_MAX_STEPS" in err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in {"doctor", "schedule"}])
def test_a_missing_container_is_named_in_one_line(command, here, capsys):
    assert main([command, *ARGUMENTS[command]]) == 1
    _, err = output(capsys)
    assert err.count("\n") == 1
    assert any(here[f"SCORING_{what}_CONTAINER"] in err for what in ("DATA", "MODELS", "PREDS", "RUNS"))


def test_the_doctor_says_of_missing_containers_what_to_do(here, capsys):
    assert main(["doctor"]) == 1
    out, _ = output(capsys)
    assert out.count("is missing: create it, or set SCORING_") == 4


@pytest.mark.parametrize("command", ABOUT_A_RUN)
def test_an_unknown_run_is_reported_in_one_line(command, in_place, capsys):
    assert main([command, *ARGUMENTS[command]]) == 1
    _, err = output(capsys)
    assert err == (
        f"error: there is no run 'timer-20260101-000000' in container {in_place.runs.name!r}: "
        "python -m pipeline runs lists them\n"
    )


def test_publishing_twice_changes_nothing_and_a_new_model_makes_a_new_version(in_place, capsys):
    in_place.models.put("model_1_1.skops", b"model")
    versions = []
    for changed in (True, False):
        assert main(["publish", "--json"]) == 0
        answer = json.loads(output(capsys)[0])
        assert answer["changed"] is changed
        versions.append(answer["published"])
    in_place.models.put("model_1_2.skops", b"model")
    assert main(["publish", "--json"]) == 0
    answer = json.loads(output(capsys)[0])
    assert versions[0] == versions[1] != answer["published"]
    assert answer["steps"] == 2


def stored(container):
    return {blob.name: blob.etag for blob in container.list()}


@pytest.mark.parametrize("value", [None, "", " "], ids=["missing", "empty", "blank"])
def test_publishing_without_the_mapping_that_was_published_is_refused(in_place, monkeypatch, capsys, value):
    in_place.models.put("model_1_1.skops", b"model")
    monkeypatch.setenv("SCORING_MAPPING", "ts=Zeit wide")
    assert main(["publish"]) == 0
    assert "SCORING_MAPPING" not in output(capsys)[1]
    before = stored(in_place.runs)
    in_place.models.put("model_1_2.skops", b"model")
    if value is None:
        monkeypatch.delenv("SCORING_MAPPING")
    else:
        monkeypatch.setenv("SCORING_MAPPING", value)
    says = "SCORING_MAPPING is not set here, and the published pipeline has a mapping"
    assert main(["publish", "--dry-run"]) == 0
    warning = output(capsys)[1]
    assert warning.startswith(f"warning: {says}")
    assert main(["publish", "--json"]) == 1
    error = output(capsys)[1]
    assert error.startswith(f"error: {says}")
    assert error.removeprefix("error: ") == warning.removeprefix("warning: ")
    assert error.endswith("publish again: ts=Zeit wide\n")
    assert stored(in_place.runs) == before


@pytest.mark.parametrize("value", ["{}", "ts=Time"], ids=["none", "another"])
def test_a_mapping_is_replaced_by_the_one_that_is_set(in_place, monkeypatch, capsys, value):
    in_place.models.put("model_1_1.skops", b"model")
    monkeypatch.setenv("SCORING_MAPPING", "ts=Zeit wide")
    main(["publish"])
    monkeypatch.setenv("SCORING_MAPPING", value)
    assert main(["publish"]) == 0
    assert output(capsys)[1] == ""
    monkeypatch.delenv("SCORING_MAPPING")
    assert main(["publish"]) == (0 if value == "{}" else 1)


def test_a_dry_run_prints_both_documents_and_stores_nothing(in_place, capsys):
    in_place.models.put("model_1_1.skops", b"model")
    assert main(["publish", "--dry-run"]) == 0
    out, _ = output(capsys)
    assert "score_1_1:" in out
    assert "python -m scoring score" in out
    assert main(["publish", "--dry-run", "--json"]) == 0
    documents = json.loads(output(capsys)[0])
    assert all(text in out for text in documents.values())
    assert documents.keys() == {"pipeline.yml", "score.yml"}
    assert list(in_place.runs.list()) == []


@pytest.mark.parametrize("option", ["--endpoint", "--setup"])
def test_what_only_azure_ml_has_is_refused_before_anything_is_published(in_place, capsys, option):
    in_place.models.put("model_1_1.skops", b"model")
    assert main(["publish", option]) == 2
    assert "set SCORING_ENGINE=azureml" in output(capsys)[1]
    assert list(in_place.runs.list()) == []


def test_an_earlier_version_can_be_made_current_again(in_place, capsys):
    in_place.models.put("model_1_1.skops", b"model")
    main(["publish", "--json"])
    first = json.loads(output(capsys)[0])["published"]
    in_place.models.put("model_1_2.skops", b"model")
    main(["publish", "--json"])
    output(capsys)
    assert main(["publish", "--rollback", first, "--json"]) == 0
    assert json.loads(output(capsys)[0]) == {"published": first, "steps": 1, "changed": True}
    assert main(["publish", "--rollback", "v0"]) == 1


def test_without_models_publishing_says_what_to_upload(in_place, capsys):
    assert main(["publish"]) == 1
    in_place.models.put("model_1_3.pkl", b"a pickle")
    in_place.models.put("README.md", b"# Models")
    assert main(["publish"]) == 1
    (first, second) = output(capsys)[1].splitlines()
    assert first == (
        "error: there are no models: run python -m pipeline upload --models FOLDER, then publish"
    )
    assert "; found 1 legacy pickle (model_1_3.pkl): run python -m scoring import-models" in second
    assert "; ignored, not models: README.md" in second


def test_submitting_before_anything_is_published_says_what_to_do(in_place, capsys):
    in_place.data.put("a.csv", b"TS,Device,Sensor,Value\n")
    assert main(["submit", "a.csv"]) == 1
    assert output(capsys)[1] == "error: no pipeline is published: run python -m pipeline publish\n"


def test_submit_asks_for_exactly_one_way_to_name_blobs(in_place, capsys):
    assert main(["submit"]) == 2
    assert main(["submit", "a.csv", "--prefix", ""]) == 2
    assert main(["submit", "a.csv", "--since", "2026-11-01"]) == 2
    assert output(capsys)[1].count("either names of blobs or a range") == 3


def test_a_range_that_was_scored_before_is_pointed_to_again(in_place, context, capsys):
    in_place.data.put("a.csv", b"TS")
    submit_landing(context, "a.csv")
    assert main(["submit", "--prefix", "", "--run", "second"]) == 0
    out, err = output(capsys)
    assert out == "run second is empty: other runs have claimed all of its landings (1)\n"
    assert err == "add --again to score landings of other runs again\n"


def test_a_sweep_with_nothing_new_says_so(in_place, capsys):
    assert main(["sweep"]) == 0
    assert output(capsys)[0] == "sweep finished: nothing new; no run needs recovery\n"


def test_cancel_asks_a_pending_run_to_stop(in_place, context, capsys):
    context.engine.refuses = "it is busy"
    in_place.data.put("a.csv", b"TS")
    with pytest.raises(EngineError):
        submit_landing(context, "a.csv")
    (pending,) = context.runs.newest()
    assert main(["cancel", pending.run]) == 0
    out, err = output(capsys)
    assert out == f"run {pending.run} was asked to stop\n"
    assert err == "next: its landings stay claimed: python -m pipeline submit NAME --again scores them\n"
    assert context.runs.load(pending.run).state is RunState.CANCELED


def test_cancel_shows_the_state_of_a_finished_run(in_place, context, capsys):
    in_place.data.put("a.csv", b"TS")
    submit_landing(context, "a.csv")
    (over,) = context.runs.newest()
    context.runs.advance(over, RunState.SUCCEEDED)
    assert main(["cancel", over.run]) == 2
    assert f"run {over.run} has ended already: succeeded" in output(capsys)[1]


def test_settings_of_the_function_host_are_used_if_the_environment_has_none(
    in_place, here, monkeypatch, tmp_path, capsys
):
    for name in here:
        monkeypatch.delenv(name)
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": here}))
    assert main(["runs"]) == 0
    assert "no runs yet: upload readings; python -m pipeline sweep scores" in output(capsys)[0]
    (tmp_path / "local.settings.json").write_text("{")
    for name in here:
        monkeypatch.delenv(name, raising=False)
    assert main(["runs"]) == 2
    assert "local.settings.json is not JSON" in output(capsys)[1]


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["submit", ""], 2, "it cannot be the name of a blob"),
        (["submit", "\udcff"], 2, "it cannot be the name of a blob"),
        (["submit", "../models/model_1_3.skops"], 2, "starts with '_' or '.'"),
        (["submit", "--prefix", "\udcff"], 2, "the name of a blob cannot start with"),
        (["status", "\udcff"], 1, "there is no run"),
        (["status", "../data/a.csv"], 1, "there is no run"),
        (["publish", "--rollback", "../x"], 1, "version '../x' is not published"),
        (["runs", "--limit", "-2"], 2, "expected a number of runs"),
    ],
    ids=lambda value: " ".join(value).encode("unicode_escape").decode() if isinstance(value, list) else "",
)
def test_an_impossible_name_is_reported_in_one_line(in_place, capsys, words, code, complaint):
    assert main(words) == code
    (line,) = output(capsys)[1].splitlines()
    assert complaint in line


def test_a_closed_pipe_ends_a_command_quietly(in_place):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pipeline", "runs"]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ, stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")


def test_storage_that_is_down_is_reported_in_one_line(here, monkeypatch, capsys):
    monkeypatch.setenv(
        "ScoringStorage",
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=AAAA;"
        "BlobEndpoint=http://127.0.0.1:9/devstoreaccount1;",
    )
    assert main(["runs"]) == 1
    _, err = output(capsys)
    assert err.splitlines()[-1].startswith("error: ")
    assert "127.0.0.1:9" in err
    assert "check that it is running (make start starts Azurite), and ScoringStorage" in err
    assert "AAAA" not in err


@pytest.mark.parametrize("command", ["publish", "runs", "doctor"])
def test_no_error_repeats_a_credential(command, monkeypatch, tmp_path, capsys):
    secret = "c2VjcmV0" * 11
    monkeypatch.chdir(tmp_path)
    unreachable = (
        f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={secret};BlobEndpoint=http://127.0.0.1:9/a;"
    )
    monkeypatch.setenv("ScoringStorage", unreachable)
    monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", f"InstrumentationKey={secret}")
    assert main([command, *ARGUMENTS[command]]) in {1, 2}
    out, err = output(capsys)
    assert secret not in out + err
