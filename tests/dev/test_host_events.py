"""Event Grid's webhook, compared with recorded responses and calls of the real host."""

import http.client
import json

import pytest
from azure.storage.blob import BlobServiceClient

from dev.host.process import HostProcess
from tests.dev.hosts import PROBE, calls, messages, settings_for, unique
from tests.dev.recordings import extract_and_whole, recorded

pytestmark = pytest.mark.xdist_group("host-events")

CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
NOTIFICATION = {"aeg-event-type": "Notification"}
VALIDATION = {"aeg-event-type": "SubscriptionValidation"}


@pytest.fixture(scope="module")
def container(azurite):
    name = unique("data")
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        client = service.create_container(name)
        for blob in ("one", "two", "three", "in/typed.txt", "later", "in/fails"):
            client.upload_blob(blob, b"x")
        service.create_container(f"{name}-other").upload_blob("stranger", b"x")
        yield name


@pytest.fixture(scope="module")
def host(azurite, container):
    off = {"AzureWebJobs.scanned.Disabled": "true"}
    with HostProcess(PROBE, settings_for(azurite, container, **off), poll=0.1) as host:
        yield host.wait_until_started()


def post(host, body, headers, query="functionName=Host.Functions.notified", method="POST"):
    """Status and text of the answer."""
    connection = http.client.HTTPConnection(host.address.removeprefix("http://"), timeout=30)
    connection.request(method, f"/runtime/webhooks/blobs?{query}", body, headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def called_for(host, container, case):
    """Status and text of the response, and the blobs of the calls after it: at least as many as expected."""
    (body, headers, query, names), before = case, len(calls(host))
    answer = post(host, body, headers, query)
    if names:
        host.wait_for("] called ", 60, count=before + len(names))
    fences = calls(host).count(f"{container}/later")
    post(host, event(container, "later"), NOTIFICATION)
    host.wait_for(f'called .*"{container}", "later"', count=fences + 1)
    return *answer, sorted(call for call in calls(host)[before:] if not call.endswith("/later"))


def event(container, *names, kind="Microsoft.Storage.BlobCreated", **more):
    return json.dumps([one(f"{container}/{name}", kind, **more) for name in names])


def one(path, kind="Microsoft.Storage.BlobCreated", **more):
    data = {"api": "PutBlob", "url": f"https://account.blob.core.windows.net/{path}", "eTag": "0x8D0"}
    return {"id": "1", "eventType": kind, "subject": "", "data": data | more}


def cloud_event(path):
    return {"specversion": "1.0", "type": "Microsoft.Storage.BlobCreated", "data": one(path)["data"]}


def handshake(kind="Microsoft.EventGrid.SubscriptionValidationEvent"):
    return json.dumps([{"id": "1", "eventType": kind, "data": {"validationCode": CODE}}])


def cases(container):
    """Recorded requests: body, headers, query, and the names of the blobs in the calls."""
    c, notified, storage = container, "functionName=Host.Functions.notified", "Microsoft.Storage."

    def notify(body, *names, query=notified):
        return body if isinstance(body, str) else json.dumps(body), NOTIFICATION, query, names

    def typed(kind):
        return notify(event(c, "in/typed.txt", kind=kind), "in/typed.txt")

    def at(url):
        return notify([{"data": {"url": url}}], "one")

    return {
        "validation": (handshake(), VALIDATION, notified, ()),
        "validation_no_functionName": (handshake(), VALIDATION, "", ()),
        "validation_wrong_functionName": (handshake(), VALIDATION, "functionName=Host.Functions.none", ()),
        "validation_no_header": (handshake(), {}, notified, ()),
        "validation_header_notification": (handshake(), NOTIFICATION, notified, ()),
        "unsubscribe": (handshake(), {"aeg-event-type": "Unsubscribe"}, notified, ()),
        "unknown_aeg_type": (event(c, "one"), {"aeg-event-type": "Pigeon"}, notified, ()),
        "no_header": (event(c, "one"), {}, notified, ()),
        "one_event": notify(event(c, "one"), "one"),
        "two_events_and_one_deleted_and_missing": notify(
            event(c, "two", "three", "one", "missing", kind=f"{storage}BlobDeleted"), "two", "three", "one"
        ),
        "function_short_name": notify(event(c, "one"), query="functionName=notified"),
        "function_wrong": notify(event(c, "one"), query="functionName=Host.Functions.none"),
        "function_other_case": notify(event(c, "one"), query="functionName=host.functions.NOTIFIED"),
        "function_param_other_case": notify(
            event(c, "one"), "one", query="FUNCTIONNAME=Host.Functions.notified"
        ),
        "unknown_container": notify(event("unknown", "one")),
        "type_deleted": typed(f"{storage}BlobDeleted"),
        "type_renamed": typed(f"{storage}BlobRenamed"),
        "type_tier": typed(f"{storage}BlobTierChanged"),
        "type_directory": typed(f"{storage}DirectoryCreated"),
        "type_lower": typed("microsoft.storage.blobcreated"),
        "malformed_json": notify("{'a':"),
        "empty_body": notify(""),
        "empty_array": notify([]),
        "object_not_array": notify(one(f"{c}/one"), "one"),
        "array_of_numbers": notify([1, 2]),
        "null": notify("null"),
        "event_without_data": notify([{"id": "1"}]),
        "event_without_url": notify([{"data": {"api": "PutBlob"}}]),
        "event_url_not_url": notify([{"data": {"url": "one"}}]),
        "good_and_bad_in_one": notify([one(f"{c}/one"), {"id": "2"}], "one"),
        "cloudevent_single": notify(cloud_event(f"{c}/one"), "one"),
        "cloudevent_batch": notify([cloud_event(f"{c}/two"), cloud_event(f"{c}/one")], "one", "two"),
        "cloudevent_batch_plain_type": notify([cloud_event(f"{c}/one")], "one"),
        "url_with_sas": notify(event(c, "one?sv=1&sig=abc"), "one"),
        "url_snapshot": notify(event(c, "one?snapshot=2026-11-28T18:41:16Z"), "one"),
        "url_other_account_host": at(f"https://another.blob.core.windows.net/{c}/one"),
        "url_azure_style_host": at(f"https://devstoreaccount1.blob.core.windows.net/{c}/one"),
        "url_dfs_host": at(f"https://account.dfs.core.windows.net/{c}/one"),
        "host_style_url_own_host": at(f"http://127.0.0.1:10000/devstoreaccount1/{c}/one"),
        "duplicate_first": notify(event(c, "one"), "one"),
        "duplicate_again": notify(event(c, "one"), "one"),
        "duplicate_in_one": notify(event(c, "one", "one"), "one", "one"),
        "etag_stale": notify(event(c, "one", eTag="0x1"), "one"),
        "etag_overwritten": notify(event(c, "one", eTag="0x2"), "one"),
        "300_events_in_one": notify(event(c, *["one"] * 300), *["one"] * 300),
    }


@extract_and_whole
def test_requests_are_answered_and_followed_by_calls_as_recorded(folder, host, container):
    webhook = recorded(folder, "messages")["event_grid"]["webhook"]
    compared = 0
    for case, posted in cases(container).items():
        if case in webhook:
            recording = webhook[case]
            names = posted[-1]
            status, text, called = called_for(host, container, posted)
            expected = recording["status"] if isinstance(recording["status"], int) else 500
            assert status == expected, case
            count = recording["calls"] if isinstance(recording["calls"], int) else len(recording["calls"])
            assert len(names) == count, case
            assert called == sorted(f"{container}/{name}" for name in names), case
            if "validationResponse" in recording.get("body", ""):
                assert json.loads(text) == json.loads(recording["body"]), case
            compared += 1
    assert compared >= 15


@pytest.mark.parametrize(("method", "status"), [("GET", 400), ("OPTIONS", 200)])
def test_other_methods_are_answered_as_recorded(host, method, status):
    assert post(host, None, {}, method=method)[0] == status


def test_a_blob_of_another_container_is_called_for(host, container):
    body = event(f"{container}-other", "stranger")
    _, _, called = called_for(
        host, container, (body, NOTIFICATION, "functionName=Host.Functions.notified", ["stranger"])
    )
    assert called == [f"{container}-other/stranger"]


def test_a_failing_call_is_tried_five_times_then_poison_and_a_repeated_event_does_the_same(
    host, container, azurite
):
    for times in (5, 10):
        assert post(host, event(container, "in/fails"), NOTIFICATION)[0] == 202
        host.wait_for("Moving message to queue 'webjobs-blobtrigger-poison'", count=times // 5)
        assert calls(host).count(f"{container}/in/fails") == times
    found = messages(azurite, "webjobs-blobtrigger-poison")
    assert len([each for each in found if f'"ContainerName": "{container}"' in each.content]) == 2


def test_an_address_without_a_blob_and_a_request_without_a_function_are_rejected_at_once(host, container):
    status, text = post(host, event(container, ""), NOTIFICATION)
    assert (status, "is not the address of a blob" in text) == (500, True)
    status, text = post(host, event(container, "one"), NOTIFICATION, query="")
    assert (status, "expected /runtime/webhooks/blobs?functionName=" in text) == (400, True)


def test_blobs_that_exist_when_the_host_starts_cause_no_events(host, container):
    started = next(number for number, line in enumerate(host.lines) if "Host started" in line)
    first = next((number for number, line in enumerate(host.lines) if "] called" in line), started)
    assert first >= started


@pytest.mark.slow
def test_events_that_were_queued_survive_a_kill(azurite):
    name = unique("data")
    settings = settings_for(azurite, name)
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        container = service.create_container(name)
        blobs = [f"sleeps-0.5-{number:02}" for number in range(20)]
        for blob in blobs:
            container.upload_blob(blob, b"x")
        off = {"AzureWebJobs.scanned.Disabled": "true"}
        with HostProcess(PROBE, settings | off, poll=0.1, hidden=3) as host:
            host.wait_until_started()
            assert post(host, event(name, *blobs), NOTIFICATION)[0] == 202
            host.wait_for("slept")
            host.kill()
            before = {line.split("slept ")[1] for line in host.lines if "] slept" in line}
        with HostProcess(PROBE, settings | off, poll=0.1, hidden=3) as host:
            host.wait_until_started()
            for blob in blobs:
                if blob not in before:
                    host.wait_for(f"slept {blob}")
