"""The development host as users run it: a process, an app, Azurite."""

import contextlib
import http.client
import json
import os
import signal
import time

import psutil
import pytest
from azure.storage.blob import BlobServiceClient

from dev.host.command import load_settings
from dev.host.listeners import HOSTS_CONTAINER
from dev.host.process import HostEnded, HostProcess
from tests.dev.hosts import BOTH, settings_for, unique

pytestmark = pytest.mark.xdist_group("host")

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def blobs(azurite):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        yield service


@pytest.fixture(scope="module")
def host(azurite, blobs):
    """One host for tests that do not change it."""
    container = blobs.create_container(unique("shared")).container_name
    with HostProcess(BOTH, settings_for(azurite, container), poll=0.1) as host:
        yield host.wait_until_started()


def ask(host, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(host.address.removeprefix("http://"), timeout=5)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def argument(line):
    """The argument that the sample's timer logged."""
    return json.loads(line.partition("tick ")[2].partition(" retry")[0])


def test_a_connection_in_the_environment_voids_the_other_form_in_local_settings(tmp_path, monkeypatch):
    values = {"ScoringStorage": "UseDevelopmentStorage=true", "SCORING_SCHEDULE": "0 0 * * * *"}
    (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}))
    monkeypatch.delenv("ScoringStorage", raising=False)
    monkeypatch.setenv("SCORING_SCHEDULE", "0 5 * * * *")
    monkeypatch.setenv("ScoringStorage__blobServiceUri", "https://fleet.blob.core.windows.net")
    load_settings(None, tmp_path)
    assert "ScoringStorage" not in os.environ
    assert os.environ["SCORING_SCHEDULE"] == "0 5 * * * *"


def test_functions_that_are_disabled_are_called_out_of_turn_only(azurite, blobs):
    name = unique("disabled")
    disabled = {f"AzureWebJobs.{function}.Disabled": "true" for function in ("on_blob", "tick")}
    settings = settings_for(azurite, name, SAMPLE_SCHEDULE="* * * * * *", **disabled)
    blobs.create_container(name).upload_blob("in/a.csv", b"x")
    with HostProcess(BOTH, settings, poll=0.1) as host:
        host.wait_until_started()
        time.sleep(2)
        assert not [line for line in host.lines if "Executing 'Functions." in line]
        assert host.call("on_blob", f'{{"input": "{name}/in/a.csv"}}') == 202
        host.wait_for(f"on_blob in/a.csv in {name} try 1")
        assert host.stop() == 0


class TestTimers:
    def test_a_timer_called_out_of_turn_gets_its_next_tick(self, host):
        before = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        host.wait_for("The next tick of 'tick' is at")  # its status is stored
        assert host.call("tick") == 202
        found = argument(host.wait_for(r"\] tick "))
        assert found["past_due"] is False
        assert found["status"]["Next"] > before

    def test_a_tick_missed_while_the_host_was_down_is_made_up_for_once(self, azurite, blobs):
        hosts = blobs.get_container_client(HOSTS_CONTAINER)
        if not hosts.exists():
            hosts.create_container()
        status = {
            name: f"2026-01-01T0{hour}:00:00+00:00"
            for name, hour in (("Last", 1), ("Next", 2), ("LastUpdated", 1))
        }
        settings = settings_for(azurite, "none")
        path = f"timers/{settings['AzureFunctionsWebHost__hostid']}/Host.Functions.tick/status"
        hosts.upload_blob(path, json.dumps(status))
        with HostProcess(BOTH, settings) as host:
            assert argument(host.wait_for(r"\] tick ")) == {"status": status, "past_due": True}
            host.wait_for("The next tick of 'tick' is at")
        assert sum("] tick " in line for line in host.lines) == 1
        after = json.loads(hosts.download_blob(path).readall())
        assert after["Last"] > "2026-11"
        assert after["Next"] > after["Last"]

    def test_an_unreadable_status_disables_its_timer_and_is_kept(self, azurite, blobs):
        name = unique("unread")
        settings = settings_for(azurite, name)
        path = f"timers/{settings['AzureFunctionsWebHost__hostid']}/Host.Functions.tick/status"
        hosts = blobs.get_container_client(HOSTS_CONTAINER)
        hosts.upload_blob(path, b"not json")
        blobs.create_container(name).upload_blob("in/a.csv", b"x")
        with HostProcess(BOTH, settings, poll=0.1) as host:
            host.wait_until_started()
            host.wait_for(f"The listener for function 'tick' was unable to start: azure-webjobs-hosts/{path}")
            host.wait_for("on_blob in/a.csv")
            assert "tick: azure-webjobs-hosts" in ask(host, "GET", "/admin/host/status")[1]["errors"][0]
        assert hosts.download_blob(path).readall() == b"not json"

    def test_a_frequent_timer_fires_by_itself_on_time(self, azurite):
        with HostProcess(BOTH, settings_for(azurite, "none", SAMPLE_SCHEDULE="* * * * * *")) as host:
            fired = [host.wait_for(r"Timer fired at", count=count) for count in range(2, 6)]
        # Of a few, one: on a busy machine a tick can be late.
        assert min(float(line.split("Timer fired at ")[1][17:26]) % 1 for line in fired) < 0.5

    @pytest.mark.parametrize(
        ("failures", "tries", "end"),
        [("1", 2, r"Executed 'Functions.tick' \(Succeeded"), ("9", 3, r"retry 2 of 2")],
        ids=["once", "always"],
    )
    def test_a_failed_tick_is_retried_by_its_policy(self, azurite, failures, tries, end):
        settings = settings_for(azurite, "none", SAMPLE_TICK_FAILURES=failures)
        with HostProcess(BOTH, settings) as host:
            host.wait_until_started()
            assert host.call("tick") == 202
            host.wait_for(end)
        assert sum("] tick " in line for line in host.lines) == tries
        assert len({line.split("Id=")[1][:36] for line in host.lines if "Functions.tick" in line}) == 1

    @pytest.mark.slow
    def test_after_a_kill_nothing_ticks_until_the_lock_has_expired(self, azurite):
        settings = settings_for(azurite, "none", SAMPLE_SCHEDULE="* * * * * *")
        with HostProcess(BOTH, settings) as host:
            host.wait_until_started().wait_for("Timer fired at")
            host.kill()
            killed = time.monotonic()
        with HostProcess(BOTH, settings) as host:
            host.wait_until_started().wait_for("Timer fired at", 40)
            # It was acquired or renewed half of its 15 s ago at most, or a little more on a busy machine.
            assert time.monotonic() - killed > 5


class TestTheHostItself:
    def test_its_first_line_says_that_it_is_not_the_real_one(self, host):
        assert host.lines[0].startswith("Development host")
        assert "The real one is 'func start'" in host.lines[0]

    def test_it_logs_its_triggers(self, host):
        host.wait_for("tick: timerTrigger, schedule '0 0 [*] [*] [*] [*]'", 0)
        host.wait_for("on_blob: blobTrigger, container 'shared-.*', polled", 0)

    def test_it_listens_on_loopback_only(self, host):
        listening = [
            c.laddr.ip for c in psutil.Process(host.pid).net_connections() if c.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]

    @pytest.mark.parametrize(
        ("path", "body", "headers", "status"),
        [
            ("/admin/functions/none", b"{}", JSON, 404),
            ("/admin/functions/tick", b"[]", JSON, 400),
            ("/admin/functions/tick", b"{", JSON, 400),
            ("/admin/functions/tick", b"{}", {}, 415),
            ("/admin/functions/tick", b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
            ("/admin/functions/on_blob", b'{"input": "container"}', JSON, 400),
            ("/admin/functions/tick", b"{}", JSON | {"Origin": "https://example.com"}, 403),
            ("/admin/functions/tick", b"{}", JSON | {"Host": "rebound.example.com"}, 403),
            ("/", b"{}", JSON, 404),
            *(
                ("/admin/functions/tick", b"", JSON | {"Content-Length": length}, 413)
                for length in ("-1", "text", "1e3", "+5", "0x5", "9" * 30)
            ),
        ],
        ids=[
            "no such function",
            "list",
            "no JSON",
            "no content type",
            "curl's own content type",
            "no blob",
            "web page",
            "other host",
            "no such path",
            "negative length",
            "text for a length",
            "exponent",
            "signed length",
            "hexadecimal",
            "huge length",
        ],
    )
    def test_an_invalid_call_is_rejected(self, host, path, body, headers, status):
        assert ask(host, "POST", path, body, headers)[0] == status

    def test_a_call_out_of_turn_is_answered_at_once(self, host):
        before = sum("Executed 'Functions.on_blob'" in line for line in host.lines)
        with host.worker_held():
            answer = ask(host, "POST", "/admin/functions/on_blob", b'{"input": "other/in/slow.csv"}', JSON)
            assert answer == (202, None)
            assert sum("Executed 'Functions.on_blob'" in line for line in host.lines) == before
        host.wait_for("on_blob in/slow.csv in other")

    def test_it_lists_its_functions_and_reports_that_it_runs(self, host):
        assert ask(host, "GET", "/admin/functions") == (200, [{"name": "tick"}, {"name": "on_blob"}])
        assert ask(host, "GET", "/admin/host/status") == (200, {"state": "Running"})

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminate"])
    def test_it_stops_gracefully(self, azurite, how):
        with HostProcess(BOTH, settings_for(azurite, "none")) as host:
            os.killpg(host.wait_until_started().pid, how)
            assert host.wait() == 0
        assert host.lines[-1].endswith("Host stopped")
        assert not [line for line in host.lines if "Traceback" in line or "never retrieved" in line]

    def test_a_second_ctrl_c_does_not_wait_for_calls(self, azurite):
        with HostProcess(BOTH, settings_for(azurite, "none")) as host:
            worker = psutil.Process(host.wait_until_started().worker_pid)
            with host.worker_held():
                ask(host, "POST", "/admin/functions/on_blob", b'{"input": "other/in/slow.csv"}', JSON)
                os.kill(host.pid, signal.SIGINT)
                host.wait_for("Stopping")
                time.sleep(1.2)
                os.kill(host.pid, signal.SIGINT)
                assert host.wait() == 130
            psutil.wait_procs([worker], 5)
        assert not worker.is_running()
        assert not [line for line in host.lines if "Traceback" in line]

    def test_it_exits_with_the_program_that_started_it(self, azurite):
        with HostProcess(BOTH, settings_for(azurite, "none")) as host:
            worker = psutil.Process(host.wait_until_started().worker_pid)
            host.let_go()
            assert host.wait() == 0
        assert not worker.is_running()

    def test_without_storage_it_logs_an_error_and_exits(self, azurite):
        broken = azurite.connection_string.replace(str(azurite.ports["Blob"]), "1")
        with HostProcess(BOTH, settings_for(azurite, "none", AzureWebJobsStorage=broken)) as host:
            assert host.wait() == 1
        assert host.lines[-1].startswith("error: cannot reach AzureWebJobsStorage at http://127.0.0.1:1/")
        assert host.lines[-1].endswith("is Azurite running?")

    def test_waiting_for_a_line_stops_when_the_host_exits(self, azurite):
        settings = settings_for(azurite, "none", AzureWebJobsStorage="")
        with HostProcess(BOTH, settings) as host, pytest.raises(HostEnded, match="the host ended"):
            host.wait_for("no such line", 60)


@pytest.mark.parametrize(
    ("wrong", "complaint", "works"),
    [
        (
            {"SAMPLE_SCHEDULE": "0 0 25 * * *"},
            "tick: schedule '0 0 25 .*': hour 25 is not between",
            "on_blob",
        ),
        ({"SAMPLE_SCHEDULE": ""}, "tick: schedule '': it has 0 fields", "on_blob"),
        ({"SampleStorage": ""}, "on_blob: no connection string SampleStorage", "tick"),
        ({"SAMPLE_CONTAINER": ""}, "on_blob: path '/in/{name}.csv' should be container/pattern", "tick"),
    ],
    ids=["schedule", "blank schedule", "no connection", "blank container"],
)
def test_a_wrong_setting_disables_one_function_loudly_and_the_other_works(
    azurite, blobs, wrong, complaint, works
):
    name = unique("partial")
    blobs.create_container(name).upload_blob("in/a.csv", b"x")
    with HostProcess(BOTH, settings_for(azurite, name, **wrong), poll=0.1) as host:
        host.wait_for(f"A function failed indexing and is DISABLED. {complaint}")
        host.wait_until_started()
        assert ask(host, "GET", "/admin/functions") == (200, [{"name": works}])
        assert len(ask(host, "GET", "/admin/host/status")[1]["errors"]) == 1
        if works == "tick":
            assert host.call("tick") == 202
        host.wait_for(rf"Executed 'Functions.{works}' \(Succeeded")
