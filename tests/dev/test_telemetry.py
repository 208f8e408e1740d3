"""Logs reach Application Insights if its connection string is set; here, a local server stands in for it."""

from dev.host.process import HostProcess
from tests.ingestion import ingestion, messages


def test_each_log_message_of_a_function_arrives_once(azurite, apps):
    with ingestion() as (telemetry, taken):
        settings = {
            "AzureFunctionsWebHost__hostid": "telemetry",
            "AzureWebJobsStorage": azurite.connection_string,
            "SampleStorage": azurite.connection_string,
            "SAMPLE_CONTAINER": "none",
            "SAMPLE_SCHEDULE": "0 0 * * * *",
            **telemetry,
        }
        with HostProcess(apps / "both", settings) as host:
            host.wait_until_started()
            assert host.call("tick") == 202
    (ours,) = (message for message in messages(taken) if message["message"].startswith("tick {"))
    assert ours["properties"]["logger_name"] == "sample"
