"""Settings of the Functions host, as command lines find them."""

import pytest

from pipeline.commands.local_settings import load_local_settings
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
