"""Blobs that a scan finds: receipts, the work queue, tries and kills, compared with recordings."""

import json
import os
import signal
import time

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from dev.azurite import Azurite
from dev.host.blob_messages import POISON_QUEUE, BlobMessage, open_queue, work_queue
from dev.host.blob_scan import receipt_name
from dev.host.listeners import HOSTS_CONTAINER
from dev.host.process import HostProcess
from tests.dev.hosts import BOTH, PROBE, calls, messages, settings_for, unique, wait_until
from tests.dev.recordings import extract_and_whole, recorded

pytestmark = pytest.mark.xdist_group("host-blobs")

ON_BLOB = "Host.Functions.on_blob"


@pytest.fixture(scope="module")
def blobs(azurite):
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        yield service


@pytest.fixture
def container(blobs):
    return blobs.create_container(unique("data"))


@pytest.fixture(scope="module")
def shared(azurite, blobs):
    """Id, container and process of one host, for tests that do not change it."""
    container = blobs.create_container(unique("data"))
    settings = settings_for(azurite, container.container_name)
    with HostProcess(BOTH, settings, poll=0.1) as host:
        yield settings["AzureFunctionsWebHost__hostid"], container, host.wait_until_started()


def id_of(settings):
    return settings["AzureFunctionsWebHost__hostid"]


def receipt(blobs, host_id, container, name, etag):
    path = receipt_name(host_id, ON_BLOB, container.container_name, name, etag)
    return blobs.get_blob_client(HOSTS_CONTAINER, path)


def metadata_of(client):
    try:
        return client.get_blob_properties().metadata
    except ResourceNotFoundError:
        return None


def host_container(blobs):
    container = blobs.get_container_client(HOSTS_CONTAINER)
    if not container.exists():
        container.create_container()


@extract_and_whole
def test_queues_receipts_and_messages_have_the_recorded_names_and_form(folder):
    recording = recorded(folder, "messages")
    text = recording["work_queue"]["example"]
    assert BlobMessage.read(text).text() == text
    assert work_queue("<host id>") == recording["work_queue"]["name"]
    path = recording["receipt"]["example"]
    _, host_id, function, etag, container, name = path.split("/")
    assert receipt_name(host_id, function, container, name, etag.strip('"')) == path


class TestFinding:
    def test_a_new_blob_is_called_for_once_and_its_receipt_is_complete(self, shared, blobs):
        host_id, container, host = shared
        etag = container.upload_blob("in/once.csv", b"x").get_blob_properties().etag
        host.wait_for("on_blob in/once.csv in .* try 1")
        wait_until(lambda: metadata_of(receipt(blobs, host_id, container, "in/once.csv", etag)) == {})
        container.upload_blob("in/after.csv", b"x")
        host.wait_for("on_blob in/after.csv")
        assert not [line for line in host.lines if "in/once.csv" in line and "try 2" in line]

    def test_an_overwritten_blob_is_new(self, shared):
        _, container, host = shared
        container.upload_blob("in/again.csv", b"x")
        host.wait_for("on_blob in/again.csv in .* try 1")
        container.upload_blob("in/again.csv", b"x", overwrite=True)
        host.wait_for("on_blob in/again.csv in .* try 2")

    def test_names_that_do_not_match_the_path_are_ignored(self, shared):
        _, container, host = shared
        for name in ("out/other.csv", "in/other.txt", "IN/other.csv", "in/other.CSV", "in/deep/er.csv"):
            container.upload_blob(name, b"x")
        container.upload_blob("in/.csv", b"x")  # nothing stands for {name}
        host.wait_for("on_blob in/deep/er.csv")
        host.wait_for("on_blob in/.csv")
        assert not [line for line in host.lines if "other." in line]

    def test_an_already_queued_blob_is_not_called_for_and_an_interrupted_one_is(
        self, azurite, blobs, container
    ):
        settings = settings_for(azurite, container.container_name)
        host_container(blobs)
        for name, metadata in (("in/queued.csv", None), ("in/cut.csv", {"Incomplete": "Incomplete"})):
            etag = container.upload_blob(name, b"x").get_blob_properties().etag
            receipt(blobs, id_of(settings), container, name, etag).upload_blob(b"", metadata=metadata)
        with HostProcess(BOTH, settings, poll=0.1) as host:
            host.wait_until_started().wait_for("on_blob in/cut.csv")
            container.upload_blob("in/last.csv", b"x")
            host.wait_for("on_blob in/last.csv")
        assert not [line for line in host.lines if "on_blob in/queued.csv" in line]

    @pytest.mark.slow
    def test_many_blobs_are_each_called_for_once_and_at_most_four_at_a_time(self, azurite, container):
        names = [f"in/{number}.csv" for number in range(150)]
        for name in names:
            container.upload_blob(name, b"x")
        with HostProcess(BOTH, settings_for(azurite, container.container_name), poll=0.05) as host:
            host.wait_for(r"Executed 'Functions.on_blob' \(Succeeded", 60, count=len(names))
            container.upload_blob("in/last.csv", b"x")
            host.wait_for("on_blob in/last.csv")
        names_called = [
            line.split("on_blob ")[1].split(" in ")[0] for line in host.lines if "] on_blob in/" in line
        ]
        assert sorted(names_called) == sorted([*names, "in/last.csv"])
        running = most = 0
        for line in host.lines:
            running += ("] Executing 'Functions.on_blob'" in line) - (
                "] Executed 'Functions.on_blob'" in line
            )
            most = max(most, running)
        assert 1 <= most <= 4  # maxDegreeOfParallelism of its host.json

    def test_a_container_that_is_created_later_is_scanned(self, azurite, blobs):
        name = unique("later")
        with HostProcess(BOTH, settings_for(azurite, name), poll=0.1) as host:
            host.wait_for(f"on_blob: there is no container '{name}' yet")
            blobs.create_container(name).upload_blob("in/a.csv", b"x")
            host.wait_for("on_blob in/a.csv")
        assert sum("there is no container" in line for line in host.lines) == 1


class TestFailing:
    def test_a_function_that_fails_is_called_again_until_it_succeeds(self, shared):
        _, container, host = shared
        container.upload_blob("in/fails-2.csv", b"x")
        host.wait_for("on_blob in/fails-2.csv in .* try 3")
        failed = host.wait_for(r"Executed 'Functions.on_blob' \(Failed")
        assert "RuntimeError: " in failed

    def test_after_the_last_try_its_message_is_on_the_poison_queue_in_the_account_of_the_blobs(
        self, shared, azurite
    ):
        _, container, host = shared
        etag = container.upload_blob("in/fails-9.csv", b"x").get_blob_properties().etag
        host.wait_for(
            "has reached MaxDequeueCount of 3. Moving message to queue 'webjobs-blobtrigger-poison'"
        )
        [message] = [
            each for each in messages(azurite, POISON_QUEUE) if container.container_name in each.content
        ]
        expected = BlobMessage(ON_BLOB, "BlockBlob", container.container_name, "in/fails-9.csv", etag)
        assert message.content == expected.text()
        assert "\n  " in message.content
        assert [line for line in host.lines if "on_blob in/fails-9.csv" in line and "try 3" in line]
        assert not [line for line in host.lines if "on_blob in/fails-9.csv" in line and "try 4" in line]


class TestBetweenQueueingAndTheCall:
    def test_a_deleted_blob_is_not_called_for_and_an_overwritten_one_is_called_for_once(
        self, azurite, container
    ):
        name = container.container_name
        with HostProcess(BOTH, settings_for(azurite, name), poll=0.1) as host:
            host.wait_until_started()
            with host.worker_held():  # with two calls in progress, this app's host fetches no more messages
                for number in range(2):
                    container.upload_blob(f"in/busy-{number}.csv", b"x")
                host.wait_for("Executing 'Functions.on_blob'", count=2)
                for blob in ("in/gone.csv", "in/newer.csv"):
                    container.upload_blob(blob, b"x")
                wait_until(lambda: visible(azurite, host) >= 2)
                container.delete_blob("in/gone.csv")
                container.upload_blob("in/newer.csv", b"xx", overwrite=True)
            host.wait_for(f"blob '{name}/in/gone.csv' is gone or newer")
            host.wait_for(f"blob '{name}/in/newer.csv' is gone or newer")
            host.wait_for("on_blob in/newer.csv")
            container.upload_blob("in/last.csv", b"x")
            host.wait_for("on_blob in/last.csv")
            assert called_blobs(host).count("in/newer.csv") == 1
            assert called_blobs(host).count("in/gone.csv") == 0

    @pytest.mark.slow
    def test_tries_are_counted_on_the_message_and_outlive_the_host(self, azurite, container):
        settings = settings_for(azurite, container.container_name)
        container.upload_blob("sleeps-2.5", b"x")
        with HostProcess(PROBE, settings, poll=0.1, hidden=3) as host:
            host.wait_until_started().wait_for("called")
            host.kill()
        with HostProcess(PROBE, settings, poll=0.1, hidden=3) as host:
            host.wait_until_started()
            host.wait_for("called")
            with open_queue(azurite.connection_string, work_queue(id_of(settings))) as queue:
                assert queue.get_queue_properties().approximate_message_count == 1
            os.kill(host.worker_pid, signal.SIGKILL)
            host.wait_for("called", count=2)
            host.wait_for("slept")
        assert not messages(azurite, work_queue(id_of(settings)))

    def test_a_blob_whose_calls_were_all_killed_is_poison_without_another_call(self, azurite, container):
        settings = settings_for(azurite, container.container_name)
        name, host_id = container.container_name, id_of(settings)
        etag = container.upload_blob("killed", b"x").get_blob_properties().etag
        message = BlobMessage("Host.Functions.notified", "BlockBlob", name, "killed", etag)
        with open_queue(azurite.connection_string, work_queue(host_id)) as queue:
            queue.create_queue()
            queue.send_message(message.text())
            for _ in range(5):  # as five hosts that died
                [raw] = queue.receive_messages(max_messages=1)
                queue.update_message(raw, visibility_timeout=0)
            off = {"AzureWebJobs.scanned.Disabled": "true"}
            with HostProcess(PROBE, settings | off, poll=0.1) as host:
                host.wait_until_started().wait_for("Moving message to queue")
                assert calls(host) == []

    @pytest.mark.slow
    def test_a_call_that_takes_long_keeps_its_message_hidden(self, azurite, container):
        container.upload_blob("sleeps-2.5", b"x")
        settings = settings_for(azurite, container.container_name)
        with HostProcess(PROBE, settings, poll=0.1, hidden=1) as host:
            host.wait_until_started().wait_for("slept")
            container.upload_blob("last", b"x")
            host.wait_for("called", count=2)
            assert calls(host).count(f"{container.container_name}/sleeps-2.5") == 1


class TestTwoHostsOfOneId:
    @pytest.mark.slow
    def test_each_blob_is_called_for_once_by_either(self, azurite, container):
        settings = settings_for(azurite, container.container_name)
        with HostProcess(BOTH, settings, poll=0.1) as one, HostProcess(BOTH, settings, poll=0.1) as other:
            one.wait_until_started()
            other.wait_until_started()
            names = [f"in/{number}.csv" for number in range(40)]
            for name in names:
                container.upload_blob(name, b"x")
            wait_until(lambda: len(called_blobs(one) + called_blobs(other)) >= len(names), 30)
            assert sorted(called_blobs(one) + called_blobs(other)) == sorted(names)

    @pytest.mark.slow
    def test_one_fires_the_timer_and_the_other_takes_over_when_it_stops(self, azurite):
        settings = settings_for(azurite, unique("none"), SAMPLE_SCHEDULE="* * * * * *")
        with HostProcess(BOTH, settings, poll=0.1) as one:
            one.wait_until_started().wait_for("Timer fired at")
            with HostProcess(BOTH, settings, poll=0.1) as other:
                other.wait_for(r"Waiting for the lock locks/.*/Host.Functions.tick.Listener")
                one.wait_for("Timer fired at", count=4)
                assert not [line for line in other.lines if "Timer fired at" in line]
                one.stop()
                other.wait_for("Timer fired at", 40)


@pytest.mark.slow
def test_the_host_continues_when_storage_comes_back(tmp_path):
    with Azurite(tmp_path) as azurite:
        ports = (azurite.ports["Blob"], azurite.ports["Queue"], azurite.ports["Table"])
        far = (time.gmtime().tm_hour + 12) % 24
        hours = ",".join(str(hour) for hour in range(24) if hour != far)  # a timer that keeps its status
        settings = settings_for(azurite, "data", SAMPLE_SCHEDULE=f"*/2 * {hours} * * *")
        with HostProcess(BOTH, settings, poll=0.1) as host:
            host.wait_until_started().wait_for("Timer fired at")
            azurite.stop()
            host.wait_for("Waiting for the lock .*tick.Listener", 60)
            host.wait_for("on_blob: cannot list 'data'|Waiting for the lock .*Blobs.Listener", 60)
            with Azurite(tmp_path, ports) as again:
                with BlobServiceClient.from_connection_string(again.connection_string) as service:
                    service.create_container("data").upload_blob("in/a.csv", b"x")
                host.wait_for("on_blob in/a.csv", 60)
                fired = sum("Timer fired at" in line for line in host.lines)
                host.wait_for("Timer fired at", 60, count=fired + 1)
                assert host.stop() == 0
        assert not [line for line in host.lines if "Traceback" in line]


def called_blobs(host):
    return [
        line.split("on_blob ")[1].split(" in ")[0] for line in list(host.lines) if "] on_blob in/" in line
    ]


def visible(azurite, host):
    identity = host.wait_for(r"Host started").rpartition("(host id ")[2].rstrip(")")
    return len(messages(azurite, work_queue(identity)))


def test_the_text_of_a_message_is_json_with_names_as_they_are():
    message = BlobMessage("Host.Functions.x", "BlockBlob", "data", 'é "%25', '"0x1"')
    assert json.loads(message.text())["BlobName"] == 'é "%25'
    assert "é" in message.text()


@pytest.mark.parametrize("text", ["no", "[]", "{}", '"x"'])
def test_text_that_is_not_a_message_is_rejected(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the queue says which
        BlobMessage.read(text)
