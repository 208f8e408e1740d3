"""Names of blobs, by scan and by event, compared with recorded calls of the real host."""

import contextlib
import http.client
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

import pytest
from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas
from hypothesis import given
from hypothesis import strategies as st

from dev.azurite import ACCOUNT, KEY
from dev.host.blob_messages import BlobMessage
from dev.host.event_grid import WrongEvent, blob_of, messages, validation_answer
from dev.host.process import HostProcess
from tests.dev.recordings import extract_and_whole, recorded

pytestmark = pytest.mark.xdist_group("host-events")


def put_raw(container, names):
    """Upload blobs under names that SDKs and URL libraries would change."""
    until = datetime.now(UTC) + timedelta(hours=1)
    permission = ContainerSasPermissions(write=True, create=True)
    sas = generate_container_sas(
        ACCOUNT, container.container_name, account_key=KEY, permission=permission, expiry=until
    )
    address = urlsplit(container.url)
    connection = http.client.HTTPConnection(address.netloc)
    for name in names:
        path = f"{address.path}/{quote(name, safe='/')}?{sas}"
        connection.request("PUT", path, b"x", {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2024-08-04"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 201, name
    connection.close()


def called(host, function):
    """The blob names of a function's calls."""
    calls = [json.loads(line.partition("] called ")[2]) for line in list(host.lines) if "] called " in line]
    return sorted(name for called_function, _, name in calls if called_function == function)


def wait_for_calls(host, function, count):
    host.wait_for(rf"Executed 'Functions.{function}'", 60, count=count)


def event(url, **more):
    data = {"url": url, "eTag": "0x8D0", "blobType": "BlockBlob"} | more
    return {"id": str(uuid.uuid4()), "eventType": "Microsoft.Storage.BlobCreated", "data": data}


@pytest.mark.slow
@extract_and_whole
def test_the_same_names_are_called_for_unchanged(folder, azurite, apps):
    names = recorded(folder, "blob-names")["names"]
    assert len(names) > 20
    container_name = f"names-{uuid.uuid4().hex[:8]}"
    settings = {
        "AzureFunctionsWebHost__hostid": container_name,
        "AzureWebJobsStorage": azurite.connection_string,
        "ProbeStorage": azurite.connection_string,
        "PROBE_CONTAINER": container_name,
        "PROBE_SCHEDULE": "0 0 0 1 1 *",
    }
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        container = service.create_container(container_name)
        put_raw(container, [each["name"] for each in names])
        with HostProcess(apps / "probe", settings, poll=0.1) as host:
            host.wait_until_started()
            scanned = [name_of(each, "scan_local") for each in names if calls(each, "scan_local")]
            wait_for_calls(host, "scanned", len(scanned))
            with_events = [each for each in names if each.get("event_grid")]
            urls = [url_of(each).replace("/data/", f"/{container_name}/", 1) for each in with_events]
            path = "/runtime/webhooks/blobs?functionName=Host.Functions.notified"
            for url in urls:
                body = json.dumps([event(url)]).encode()
                status, _, _ = host.post(path, body, {"aeg-event-type": "Notification"})
                assert status == 202
            by_event = [name_of(each, "event_grid") for each in with_events if each["event_grid"]["calls"]]
            # Names that .NET asks for by another one are called for where there is such a blob. A function
            # with a parameter {name} was recorded, which no name with a newline fits; this one has none.
            there = {each["name"].replace("\\", "/") for each in names}
            others = [blob_of(url_of(each))[1] for each in with_events if not each["event_grid"]["calls"]]
            by_event += [name for name in others if name in there]
            wait_for_calls(host, "notified", len(by_event))
            time.sleep(0.5)  # for unexpected calls
            assert called(host, "scanned") == sorted(scanned)
            assert called(host, "notified") == sorted(by_event)
            assert host.stop() == 0


def calls(each, how):
    """Number of recorded calls; a few names were tried with events only."""
    return (each.get(how) or each["event_grid"]).get("calls")


def url_of(each):
    """The address in an event; of a long name, the recording has the beginning."""
    url, name = each["event_grid"]["url"], each["name"]
    return url if "length" not in each else url[: url.index("/data/")] + f"/data/{name}"


def name_of(each, how):
    """The name that a function got, as recorded."""
    given = (each.get(how) or each["event_grid"])["name"]
    return each["name"] if given == "=" else given


@extract_and_whole
def test_addresses_become_the_same_messages(folder):
    texts = set(recorded(folder, "messages")["event_grid"]["messages"].values())
    found = 0
    for each in recorded(folder, "blob-names")["names"]:
        if url := (each.get("event_grid") or {}).get("url"):
            try:
                [message] = messages(json.dumps(event(url)).encode(), "Host.Functions.score_on_blob_eg")
            except ValueError:
                continue
            if message.name in {json.loads(text)["BlobName"] for text in texts}:
                assert message.text() in texts, url
                assert BlobMessage.read(message.text()) == message
                found += 1
    assert found >= 8


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://account.blob.core.windows.net/data/a/b.csv", ("data", "a/b.csv")),
        ("https://account.dfs.core.windows.net/data/a%252Fb?sv=1&sig=x", ("data", "a%2Fb")),
        ("http://127.0.0.1:10000/devstoreaccount1/data/a+b%20c.csv", ("data", "a+b c.csv")),
        ("https://account.blob.core.windows.net/data/caf\u00e9", ("data", "caf\u00e9")),
    ],
    ids=["host-style", "dfs", "path-style", "not encoded"],
)
def test_an_address_of_any_account_is_decoded_once(url, expected):
    assert blob_of(url) == expected


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "url", "eTag", "x"]), inner),
)
ADDRESSES = st.text() | st.lists(
    st.sampled_from(["/", "..", ".", "data", "a%2Fb", "%", "?", "#", "[", "\n"])
).map(lambda parts: "http://127.0.0.1/account/" + "".join(parts))


@given(ANY_JSON | ADDRESSES.map(lambda url: {"data": {"url": url}}))
def test_any_event_becomes_a_message_or_is_rejected(document):
    with contextlib.suppress(WrongEvent):
        for message in messages(json.dumps(document).encode(), "Host.Functions.x"):
            assert message.container
            assert message.name
            assert BlobMessage.read(message.text()) == message


@given(st.binary())
def test_any_body_is_read_or_rejected(body):
    for read in (validation_answer, lambda body: list(messages(body, "Host.Functions.x"))):
        with contextlib.suppress(WrongEvent):
            read(body)
