"""Settings of the Functions host, as command lines find them."""

import json

import pytest

from pipeline.cli import main
from pipeline.commands.local_settings import load_local_settings, merged, open_context
from pipeline.errors import SettingsError


def test_values_of_local_settings_are_read(tmp_path):
    file = tmp_path / "local.settings.json"
    file.write_text('\ufeff{"IsEncrypted": false, "Values": {"A": "1"}}', encoding="utf-8")
    assert load_local_settings(file) == {"A": "1"}


def test_without_the_file_there_are_no_local_settings(tmp_path):
    assert load_local_settings(tmp_path / "none.json") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "expected an object"),
        ('{"Values": []}', "expected an object"),
        ('{"IsEncrypted": true, "Values": {}}', "is encrypted"),
        ('{"Values": {"B": 1, "A": null, "C": "x"}}', "must be texts in quotes; these are not: A, B"),
    ],
    ids=["broken", "list", "list of values", "encrypted", "numbers"],
)
def test_wrong_local_settings_are_refused_with_the_files_name(tmp_path, text, complaint):
    file = tmp_path / "local.settings.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=complaint) as refusal:
        load_local_settings(file)
    assert str(file) in str(refusal.value)


IN_AZURE = {"ScoringStorage__blobServiceUri": "https://fleet.blob.core.windows.net"}
AZURITE = {"ScoringStorage": "UseDevelopmentStorage=true"}


@pytest.mark.parametrize(
    ("file", "environ"), [(AZURITE, IN_AZURE), (IN_AZURE, AZURITE)], ids=["string", "address"]
)
def test_a_connection_in_the_environment_voids_either_form_in_the_file(file, environ):
    known = merged({**file, "ScoringStorage__clientId": "1", "SCORING_ENGINE": "local"}, environ)
    assert known == {**environ, "SCORING_ENGINE": "local"}


def test_what_a_person_left_blank_voids_nothing(tmp_path):
    assert (
        merged(AZURITE, {"ScoringStorage__blobServiceUri": " "})["ScoringStorage"]
        == AZURITE["ScoringStorage"]
    )


def test_the_environment_wins_over_the_file_setting_by_setting():
    known = merged({"SCORING_ENGINE": "local", "SCORING_MAX_STEPS": "5"}, {"SCORING_ENGINE": "azureml"})
    assert known == {"SCORING_ENGINE": "azureml", "SCORING_MAX_STEPS": "5"}


def test_after_a_try_on_one_machine_commands_talk_to_the_account_of_the_environment(
    here, monkeypatch, tmp_path
):
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": AZURITE}))
    for name in here:
        if name.startswith("ScoringStorage"):
            monkeypatch.delenv(name)
    monkeypatch.setenv(*next(iter(IN_AZURE.items())))
    context = open_context()
    assert context.store.address == IN_AZURE["ScoringStorage__blobServiceUri"]
    context.store.close()


@pytest.mark.parametrize("command", [["runs"], ["upload", __file__], ["doctor"]])
def test_without_any_settings_the_message_says_how_to_get_them(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"neither {tmp_path / 'local.settings.json'} nor ScoringStorage in the environment" in line
    assert "Run make start in the project's folder, or copy local.settings.example.json" in line
