import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError, SettingsError
from pipeline.settings import DEPLOYMENT_PARAMETERS, Settings, unknown

ROOT = Path(__file__).resolve().parents[2]
KEY = "c2VjcmV0LWtleS1vZi10aGUtYWNjb3VudA=="
CONNECTION = (
    f"DefaultEndpointsProtocol=https;AccountName=fleet;AccountKey={KEY};EndpointSuffix=core.windows.net"
)
GUID = "0f6e1c3a-7d55-4f0e-9d7f-0a6d1a2b3c4d"
WORKSPACE = {
    "AZURE_SUBSCRIPTION_ID": GUID,
    "AZURE_RESOURCE_GROUP": "fleet",
    "AZUREML_WORKSPACE_NAME": "fleet-ml",
    "AZUREML_COMPUTE": "cpu-cluster",
}


def read(**environ):
    return Settings.from_environment({"ScoringStorage": "UseDevelopmentStorage=true", **environ})


def problems(environ):
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environ)
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestDefaults:
    def test_storage_is_the_only_setting_that_is_needed(self):
        settings = read()
        assert settings.engine == "local"
        assert (settings.containers.data, settings.containers.runs) == ("data", "runs")
        assert (settings.max_steps, settings.shards) == (20, None)
        assert settings.schedule == "0 0 * * * *"
        assert settings.local_processes >= 1

    def test_a_blank_setting_is_its_default(self):
        assert read(SCORING_MAX_STEPS=" ", SCORING_SCHEDULE="").max_steps == 20

    def test_all_can_be_set(self):
        settings = read(
            SCORING_DATA_CONTAINER="landings",
            SCORING_ENGINE="azureml",
            SCORING_MAX_STEPS="7",
            SCORING_SHARDS="12",
            SCORING_MAX_ACTIVE_RUNS="3",
            SCORING_MAX_TRIES="1",
            SCORING_TIMER_MODE="all",
            SCORING_PENDING_MINUTES="0.5",
            SCORING_GRACE_MINUTES="2",
            SCORING_SCHEDULE="*/5  * * * *",
            SCORING_LOCAL_PROCESSES="4",
            SCORING_STEP_MINUTES="15",
            SCORING_STEP_TRIES="2",
            **WORKSPACE,
        )
        assert settings.containers.data == "landings"
        assert settings.azureml is not None
        assert settings.azureml.compute == "cpu-cluster"
        assert (settings.max_steps, settings.shards) == (7, 12)
        assert (settings.max_active_runs, settings.max_tries) == (3, 1)
        assert settings.timer_mode == "all"
        assert settings.pending_after == timedelta(seconds=30)
        assert settings.schedule == "*/5 * * * *"
        assert (settings.local_processes, settings.step_tries) == (4, 2)
        assert settings.step_time_limit == timedelta(minutes=15)


class TestWrongSettings:
    def test_all_invalid_settings_are_reported_together_with_name_and_value(self):
        message = problems(
            {
                "SCORING_ENGINE": "spark",
                "SCORING_MAX_STEPS": "many",
                "SCORING_DATA_CONTAINER": "My_Data",
                "SCORING_GRACE_MINUTES": "-1",
                "SCORING_SCHEDULE": "hourly",
                "SCORING_TIMER_MODE": "some",
            }
        )
        assert "SCORING_ENGINE: expected local or azureml, found 'spark'" in message
        assert "SCORING_MAX_STEPS: expected a whole number from 1 to 10,000, found 'many'" in message
        assert "SCORING_DATA_CONTAINER: expected a container name" in message
        assert "'My_Data'" in message
        for name in ("SCORING_GRACE_MINUTES", "SCORING_SCHEDULE", "SCORING_TIMER_MODE", "ScoringStorage"):
            assert f"{name}: expected" in message

    @pytest.mark.parametrize("name", ["ab", "a" * 64, "-data", "data-", "da--ta", "Data", "da_ta", "$logs"])
    def test_container_names_follow_azures_rules(self, name):
        assert "SCORING_PREDS_CONTAINER" in problems(
            {"ScoringStorage": "UseDevelopmentStorage=true", "SCORING_PREDS_CONTAINER": name}
        )

    def test_two_containers_of_one_name_would_score_their_own_output(self):
        message = problems({"ScoringStorage": CONNECTION, "SCORING_PREDS_CONTAINER": "data"})
        assert "SCORING_PREDS_CONTAINER: expected a container of its own, found 'data'" in message

    def test_azureml_needs_its_workspace(self):
        message = problems({"ScoringStorage": CONNECTION, "SCORING_ENGINE": "azureml"})
        for name in WORKSPACE:
            assert f"{name}: expected" in message

    def test_the_local_engine_does_not(self):
        assert read().azureml is None

    @pytest.mark.parametrize(
        "number", ["0", "-1", "1.5", "1e3", "²", "99999999999999999999999", "0x10", "1_0"]
    )
    def test_numbers_are_plain_digits_in_range(self, number):
        assert "SCORING_MAX_ACTIVE_RUNS" in problems(
            {"ScoringStorage": CONNECTION, "SCORING_MAX_ACTIVE_RUNS": number}
        )

    @pytest.mark.parametrize("share", ["-1", "1.01", "2", "5%", "nan", ".5", "1e-2"])
    def test_a_share_is_a_number_from_0_to_1(self, share):
        with pytest.raises(SettingsError, match="SCORING_MAX_REJECTED: expected a share from 0 to 1"):
            read(SCORING_MAX_REJECTED=share)
        for valid in ("0", "0.25", "1"):
            assert read(SCORING_MAX_REJECTED=valid).max_rejected == float(valid)

    @pytest.mark.parametrize("seconds", ["0", "0.0", "-1", "1e3", "0.0001", "100000001", "a minute"])
    def test_a_gap_is_a_number_of_seconds(self, seconds):
        with pytest.raises(SettingsError, match="SCORING_EPISODE_GAP: expected a number of seconds above 0"):
            read(SCORING_EPISODE_GAP=seconds)
        for valid in ("30", "0.5", "100000000"):
            assert read(SCORING_EPISODE_GAP=valid).episode_gap == float(valid)
        assert read().episode_gap is None

    def test_a_mapping_is_checked_and_encoded_for_command_lines(self):
        assert read().mapping is None
        assert read(SCORING_MAPPING=" ").mapping is None
        assert read(SCORING_MAPPING="{}").mapping == ""
        assert read(SCORING_MAPPING="wide ts=Zeit").mapping == quote(
            '{"": {"ts": "Zeit", "wide": true}}', safe=""
        )
        message = problems(
            {"ScoringStorage": CONNECTION, "SCORING_MAPPING": "tz=UTC", "SCORING_MAX_STEPS": "x"}
        )
        assert "SCORING_MAPPING: 'tz' is unknown" in message
        assert "SCORING_MAX_STEPS" in message

    @pytest.mark.parametrize("minutes", ["0", "0.0", "nan", "inf", "1e9", "20161", "ten"])
    def test_minutes_are_more_than_none_and_less_than_too_many(self, minutes):
        assert "SCORING_STEP_MINUTES" in problems(
            {"ScoringStorage": CONNECTION, "SCORING_STEP_MINUTES": minutes}
        )

    @given(st.dictionaries(st.sampled_from([*WORKSPACE, "SCORING_ENGINE", "SCORING_MAX_STEPS"]), st.text()))
    def test_no_text_breaks_the_reader(self, environ):
        try:
            Settings.from_environment(environ | {"ScoringStorage": CONNECTION})
        except PipelineError as error:
            assert isinstance(error, SettingsError)  # noqa: PT017 - most texts are wrong, some are not


class TestUnknownNames:
    def test_a_misspelt_name_is_reported_with_the_nearest_setting(self):
        assert unknown({"SCORING_MAX_STEP": "5", "SCORING_SHEDULE": "", "SHEDULE": "", "NOTIFY_X": ""}) == [
            "SCORING_MAX_STEP is not a setting, so it is ignored: did you mean SCORING_MAX_STEPS?",
            "SCORING_SHEDULE is not a setting, so it is ignored: did you mean SCORING_SCHEDULE?",
        ]
        (far,) = unknown({"SCORING_": "x"})
        assert "did you mean SCORING_" in far

    def test_every_name_that_is_read_is_known(self):
        asked = set()

        class Asked(dict[str, str]):
            def get(self, name, default=None):
                asked.add(name)
                return super().get(name, default)

        Settings.from_environment(Asked(ScoringStorage="UseDevelopmentStorage=true"))
        assert len([name for name in asked if name.startswith("SCORING_")]) > 25
        assert unknown(dict.fromkeys(asked, "")) == []

    def test_the_parameters_of_a_deployment_are_no_misspelt_settings(self):
        parameters = (ROOT / "infra" / "main.parameters.json").read_text(encoding="utf-8")
        names = set(re.findall(r"\$\{(SCORING_\w+)=", parameters))
        assert unknown(dict.fromkeys(names, "")) == []
        assert {f"SCORING_{name}" for name in DEPLOYMENT_PARAMETERS} == names - Settings.names()


class TestConnection:
    @pytest.mark.parametrize(
        "text",
        [
            "UseDevelopmentStorage=true",
            CONNECTION,
            CONNECTION + ";",
            "BlobEndpoint=https://fleet.blob.core.windows.net/;SharedAccessSignature=sv=2022&sig=abc%3D",
        ],
    )
    def test_connection_strings_of_all_kinds_are_taken(self, text):
        settings = read(ScoringStorage=text)
        assert settings.connection.connection_string == text

    @pytest.mark.parametrize(
        "text",
        [
            "AccountKey=" + KEY,
            KEY,
            "AccountName=fleet",
            "UseDevelopmentStorage=maybe",
            ";;",
            "a=b=c",
            "BlobEndpoint=fleet;SharedAccessSignature=sig",
            "BlobEndpoint=;SharedAccessSignature=sig",
            "BlobEndpoint=https://[fleet/;SharedAccessSignature=sig",
        ],
    )
    def test_an_invalid_one_is_refused_without_showing_it(self, text):
        message = problems({"ScoringStorage": text})
        assert "ScoringStorage: expected a storage connection string" in message
        assert KEY not in message
        assert text not in message

    def test_an_identity_takes_the_place_of_a_key(self):
        settings = Settings.from_environment(
            {
                "ScoringStorage__blobServiceUri": "https://fleet.blob.core.windows.net/",
                "ScoringStorage__credential": "managedidentity",
                "ScoringStorage__clientId": GUID,
            }
        )
        assert settings.connection.blob_service_uri == "https://fleet.blob.core.windows.net"
        assert settings.connection.managed_identity
        assert settings.connection.client_id == GUID

    def test_without_a_credential_it_is_any_identity_of_the_machine(self):
        settings = Settings.from_environment(
            {"ScoringStorage__blobServiceUri": "https://fleet.blob.core.windows.net"}
        )
        assert not settings.connection.managed_identity

    def test_a_signature_in_an_address_is_refused_and_not_shown(self):
        message = problems(
            {"ScoringStorage__blobServiceUri": f"https://fleet.blob.core.windows.net?sig={KEY}"}
        )
        assert "ScoringStorage__blobServiceUri" in message
        assert KEY not in message

    @pytest.mark.parametrize("name", ["credential", "clientId"])
    def test_the_rest_of_an_identity_is_checked(self, name):
        environ = {"ScoringStorage__blobServiceUri": "https://fleet.blob.core.windows.net"}
        assert f"ScoringStorage__{name}" in problems(environ | {f"ScoringStorage__{name}": "me"})

    def test_no_key_appears_when_settings_are_shown(self):
        assert KEY not in repr(read(ScoringStorage=CONNECTION))


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        ("0 0 25 * * *", "hour 25 is not between 0 and 23"),
        ("0 0 0 L * *", "day 'L' is not a number"),
        ("0 0 0 30 2 *", "its day never comes"),
        ("0 0 0 * * 7", "day-of-week 7 is not between 0 and 6"),
        ("0 0 * * * *\n", "is not a number"),
        ("00:05:00", "it is a time span"),
    ],
    ids=str,
)
def test_a_schedule_that_the_functions_host_would_refuse_is_refused_with_the_reason(schedule, why):
    with pytest.raises(SettingsError, match="SCORING_SCHEDULE: expected an NCRONTAB expression") as refusal:
        Settings.from_environment(
            {"ScoringStorage": "UseDevelopmentStorage=true", "SCORING_SCHEDULE": schedule}
        )
    assert why in str(refusal.value)
