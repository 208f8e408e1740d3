"""The development host as its users meet it: a process, an app, Azurite."""

import contextlib
import http.client
import json
import os
import signal
import time

import psutil
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from dev.host.blobs import HOSTS_CONTAINER, POISON_QUEUE, receipt_name
from dev.host.process import HostEnded, HostProcess
from tests.dev.conftest import APPS

pytestmark = pytest.mark.xdist_group("host")

HOST_ID = "testhost"
HOURLY = "0 0 * * * *"


@pytest.fixture(scope="module")
def blobs(azurite):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        yield service


def settings_for(azurite, container, **more):
    return {
        "AzureFunctionsWebHost__hostid": HOST_ID,
        "AzureWebJobsStorage": azurite.connection_string,
        "SampleStorage": azurite.connection_string,
        "SAMPLE_CONTAINER": container,
        "SAMPLE_SCHEDULE": HOURLY,
        **more,
    }


@pytest.fixture(scope="module")
def host(azurite, blobs):
    """One host for the tests that leave it as it was."""
    blobs.create_container("shared")
    with HostProcess(APPS / "both", settings_for(azurite, "shared"), poll=0.1) as host:
        yield host.wait_until_started()


def receipts(blobs):
    return [
        name for name in blobs.get_container_client(HOSTS_CONTAINER).list_blob_names() if "receipts" in name
    ]


def wait_until(holds, seconds=15):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def ask(host, method, path, body=b"", headers=None):
    connection = http.client.HTTPConnection(host.address.removeprefix("http://"), timeout=5)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def test_functions_that_are_disabled_are_called_out_of_turn_only(azurite, blobs):
    blobs.create_container("disabled")
    disabled = {f"AzureWebJobs.{name}.Disabled": "true" for name in ("landed", "tick")}
    settings = settings_for(azurite, "disabled", SAMPLE_SCHEDULE="* * * * * *", **disabled)
    blobs.get_blob_client("disabled", "in/a.csv").upload_blob(b"x")
    with HostProcess(APPS / "both", settings, poll=0.1) as host:
        host.wait_until_started()
        time.sleep(2)
        assert not [line for line in host.lines if "Executing 'Functions." in line]
        assert host.call("landed", '{"input": "disabled/in/a.csv"}') == 202
        host.wait_for("landed in/a.csv in disabled try 1")
        assert host.stop() == 0


class TestBlobs:
    def test_a_new_blob_is_told_once_with_its_name_and_container(self, host, blobs):
        etag = blobs.get_blob_client("shared", "in/once.csv").upload_blob(b"x")["etag"]
        host.wait_for("landed in/once.csv in shared try 1")
        wait_until(lambda: receipt_name(HOST_ID, "landed", "shared", "in/once.csv", etag) in receipts(blobs))
        blobs.get_blob_client("shared", "in/after.csv").upload_blob(b"x")
        host.wait_for("landed in/after.csv")
        assert not [line for line in host.lines if "in/once.csv in shared try 2" in line]

    def test_a_blob_that_is_written_again_is_new(self, host, blobs):
        blob = blobs.get_blob_client("shared", "in/again.csv")
        blob.upload_blob(b"x")
        host.wait_for("landed in/again.csv in shared try 1")
        blob.upload_blob(b"x", overwrite=True)
        host.wait_for("landed in/again.csv in shared try 2")

    def test_names_that_do_not_match_the_path_are_left_alone(self, host, blobs):
        blobs.get_blob_client("shared", "out/other.csv").upload_blob(b"x")
        blobs.get_blob_client("shared", "in/other.txt").upload_blob(b"x")
        blobs.get_blob_client("shared", "in/deep/er.csv").upload_blob(b"x")
        host.wait_for("landed in/deep/er.csv")
        assert not [line for line in host.lines if "other." in line]

    def test_a_function_that_fails_is_called_again_until_it_succeeds(self, host, blobs):
        blobs.get_blob_client("shared", "in/fails-2.csv").upload_blob(b"x")
        host.wait_for("landed in/fails-2.csv in shared try 3")
        failed = host.wait_for(r"Executed 'Functions.landed' \(Failed")
        assert "RuntimeError: it fails as its name says" in failed
        assert not [line for line in host.lines if "fails-2.csv' is given up" in line]

    def test_after_the_last_try_a_message_lies_on_the_poison_queue(self, host, blobs, azurite):
        etag = blobs.get_blob_client("shared", "in/fails-9.csv").upload_blob(b"x")["etag"]
        host.wait_for("'in/fails-9.csv' is given up")
        with QueueClient.from_connection_string(
            azurite.connection_string, POISON_QUEUE, message_decode_policy=TextBase64DecodePolicy()
        ) as queue:
            (message,) = queue.receive_messages()
        assert json.loads(message.content) == {
            "Type": "BlobTrigger",
            "FunctionId": "Host.Functions.landed",
            "BlobType": "BlockBlob",
            "ContainerName": "shared",
            "BlobName": "in/fails-9.csv",
            "ETag": etag.strip('"'),
        }
        assert [line for line in host.lines if "landed in/fails-9.csv in shared try 3" in line]
        assert not [line for line in host.lines if "landed in/fails-9.csv in shared try 4" in line]

    def test_a_blob_with_a_receipt_is_old_news_to_a_new_host(self, azurite, blobs, apps):
        container = blobs.create_container("known")
        etag = container.upload_blob("in/known.csv", b"x").get_blob_properties().etag
        container.upload_blob("in/unknown.csv", b"x")
        hosts = blobs.get_container_client(HOSTS_CONTAINER)
        if not hosts.exists():
            hosts.create_container()
        hosts.upload_blob(receipt_name(HOST_ID, "landed", "known", "in/known.csv", etag), b"")
        with HostProcess(apps / "both", settings_for(azurite, "known")) as host:
            host.wait_until_started().wait_for("landed in/unknown.csv")
        assert not [line for line in host.lines if "landed in/known.csv" in line]

    def test_many_at_once_are_each_told_once_and_only_so_many_at_a_time(self, azurite, blobs, apps):
        names = [f"in/{number}.csv" for number in range(150)]
        container = blobs.create_container("burst")
        for name in names:
            container.upload_blob(name, b"x")
        with HostProcess(apps / "both", settings_for(azurite, "burst"), poll=0.05) as host:
            host.wait_for(r"Executed 'Functions.landed' \(Succeeded", 60, count=len(names))
            container.upload_blob("in/last.csv", b"x")
            host.wait_for("landed in/last.csv")
        told = [line.split("landed ")[1].split(" in ")[0] for line in host.lines if "] landed in/" in line]
        assert sorted(told) == sorted([*names, "in/last.csv"])
        running = most = 0
        for line in host.lines:
            running += ("] Executing 'Functions.landed'" in line) - ("] Executed 'Functions.landed'" in line)
            most = max(most, running)
        assert 1 <= most <= 4  # maxDegreeOfParallelism of its host.json

    def test_a_container_that_comes_later_is_looked_into(self, azurite, blobs, apps):
        with HostProcess(apps / "both", settings_for(azurite, "later"), poll=0.1) as host:
            host.wait_for("landed: there is no container 'later' yet")
            blobs.create_container("later").upload_blob("in/a.csv", b"x")
            host.wait_for("landed in/a.csv")
        assert sum("there is no container" in line for line in host.lines) == 1


class TestTimers:
    def test_a_timer_can_be_run_out_of_turn_and_finds_its_next_tick_ahead(self, host):
        before = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        assert host.call("tick") == 202
        told = json.loads(host.wait_for(r"\] tick ").partition("tick ")[2].partition(" retry")[0])
        assert told["past_due"] is False
        assert told["status"]["Next"] > before

    def test_a_tick_missed_while_the_host_was_down_is_made_up_for_once(self, azurite, blobs, apps):
        hosts = blobs.get_container_client(HOSTS_CONTAINER)
        if not hosts.exists():
            hosts.create_container()
        status = {
            name: f"2026-01-01T0{hour}:00:00+00:00"
            for name, hour in (("Last", 1), ("Next", 2), ("LastUpdated", 1))
        }
        path = "timers/downhost/Host.Functions.tick/status"
        hosts.upload_blob(path, json.dumps(status))
        more = {"AzureFunctionsWebHost__hostid": "downhost"}
        with HostProcess(apps / "both", settings_for(azurite, "none", **more)) as host:
            line = host.wait_for(r"\] tick ")
            assert json.loads(line.partition("tick ")[2].partition(" retry")[0]) == {
                "status": status,
                "past_due": True,
            }
            host.wait_for("The next tick of 'tick' is at")
        assert sum("] tick " in line for line in host.lines) == 1
        after = json.loads(hosts.download_blob(path).readall())
        assert after["Last"] > "2026-11"
        assert after["Next"] > after["Last"]

    def test_a_frequent_timer_fires_by_itself_on_time(self, azurite, apps):
        with HostProcess(apps / "both", settings_for(azurite, "none", SAMPLE_SCHEDULE="* * * * * *")) as host:
            fired = host.wait_for(r"Timer fired at", count=2)
        assert 0 <= float(fired.split("Timer fired at ")[1][17:26]) % 1 < 0.5

    @pytest.mark.parametrize(
        ("failures", "tries", "end"),
        [("1", 2, r"Executed 'Functions.tick' \(Succeeded"), ("9", 3, r"retry 2 of 2")],
        ids=["once", "always"],
    )
    def test_a_tick_that_fails_is_tried_again_as_its_policy_says(self, azurite, apps, failures, tries, end):
        settings = settings_for(azurite, "none", SAMPLE_TICK_FAILURES=failures)
        with HostProcess(apps / "both", settings) as host:
            host.wait_until_started()
            assert host.call("tick") == 202
            host.wait_for(end)
        assert sum("] tick " in line for line in host.lines) == tries


class TestTheHostItself:
    def test_its_first_line_says_that_it_is_not_the_real_one(self, host):
        assert host.lines[0].startswith("Development host")
        assert "The real one is 'func start'" in host.lines[0]

    def test_it_says_what_it_listens_for(self, host):
        host.wait_for("tick: timerTrigger, schedule '0 0 [*] [*] [*] [*]'", 0)
        host.wait_for("landed: blobTrigger, container 'shared', polled", 0)

    def test_it_listens_on_loopback_only(self, host):
        listening = [
            c.laddr.ip for c in psutil.Process(host.pid).net_connections() if c.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]

    @pytest.mark.parametrize(
        ("path", "body", "headers", "status"),
        [
            ("/admin/functions/none", b"{}", {}, 404),
            ("/admin/functions/tick", b"[]", {}, 400),
            ("/admin/functions/tick", b"{", {}, 400),
            ("/admin/functions/landed", b'{"input": "elsewhere/in/a.csv"}', {}, 400),
            ("/admin/functions/tick", b"{}", {"Origin": "https://example.com"}, 403),
            ("/admin/functions/tick", b"{}", {"Host": "rebound.example.com"}, 403),
            ("/", b"{}", {}, 404),
        ],
        ids=[
            "no such function",
            "list",
            "no JSON",
            "other container",
            "web page",
            "other host",
            "no such path",
        ],
    )
    def test_a_wrong_call_is_refused(self, host, path, body, headers, status):
        assert ask(host, "POST", path, body, headers)[0] == status

    def test_it_says_which_functions_there_are_and_that_it_runs(self, host):
        assert ask(host, "GET", "/admin/functions") == (200, [{"name": "tick"}, {"name": "landed"}])
        assert ask(host, "GET", "/admin/host/status") == (200, {"state": "Running"})

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "terminate"])
    def test_it_ends_in_good_order(self, azurite, apps, how):
        with HostProcess(apps / "both", settings_for(azurite, "none")) as host:
            os.kill(host.wait_until_started().pid, how)
            assert host.wait() == 0
        assert host.lines[-1].endswith("Host stopped")
        assert not [line for line in host.lines if "Traceback" in line]

    def test_it_ends_with_the_program_that_started_it(self, azurite, apps):
        with HostProcess(apps / "both", settings_for(azurite, "none")) as host:
            host.wait_until_started()
            host.let_go()
            assert host.wait() == 0

    def test_without_its_storage_it_says_so_and_ends(self, apps, azurite):
        settings = settings_for(azurite, "none", AzureWebJobsStorage="UseDevelopmentStorage=true")
        broken = azurite.connection_string.replace(str(azurite.ports["Blob"]), "1")
        with HostProcess(apps / "both", {**settings, "AzureWebJobsStorage": broken}) as host:
            assert host.wait() == 1
        assert host.lines[-1].startswith("error: cannot reach AzureWebJobsStorage at http://127.0.0.1:1/")
        assert host.lines[-1].endswith("is Azurite running?")

    def test_what_it_never_says_is_not_waited_for_beyond_its_end(self, azurite, apps):
        settings = settings_for(azurite, "none", SAMPLE_SCHEDULE="never")
        with HostProcess(apps / "both", settings) as host, pytest.raises(HostEnded, match="the host ended"):
            host.wait_for("no such line", 60)
