import inspect
import logging
import socket
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import azure.core.exceptions
import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ODataV4Error,
    ResponseNotReadError,
    StreamClosedError,
    StreamConsumedError,
)
from azure.storage.blob import BlobLeaseClient

from dev.azurite import ACCOUNT, KEY, connection_string
from dev.proxy import Fault, FaultProxy
from pipeline.errors import (
    AlreadyExists,
    Changed,
    ContainerMissing,
    LeaseHeld,
    NotFound,
    StorageDenied,
    StorageError,
    StorageUnreachable,
)
from pipeline.settings import Connection, Settings
from pipeline.storage import container
from pipeline.storage.account import PARALLEL, Store, in_parallel
from pipeline.storage.sdk_errors import translate


class Answer:
    """As much of an HTTP answer as the SDK's exceptions look at."""

    def __init__(self, status):
        self.status_code, self.reason, self.headers, self.request = status, "because", {}, "GET"

    def text(self):
        return "{}"

    def body(self):
        return b"{}"


NEED_ANSWERS = {ODataV4Error, ResponseNotReadError, StreamClosedError, StreamConsumedError}
SDK_ERRORS = [
    found
    for _, found in inspect.getmembers(azure.core.exceptions, inspect.isclass)
    if issubclass(found, Exception) and found.__module__ == "azure.core.exceptions"
]


class TestErrors:
    @pytest.mark.parametrize("kind", SDK_ERRORS, ids=lambda kind: kind.__name__)
    def test_each_exception_of_the_sdk_is_translated(self, kind):
        """A class that a new SDK brings fails here, not in front of a user."""
        known = {
            "ClientAuthenticationError": StorageDenied,
            "HttpResponseError": StorageUnreachable,  # without an answer: it broke off
            "IncompleteReadError": StorageUnreachable,
            "ResourceExistsError": Changed,
            "ResourceModifiedError": Changed,
            "ResourceNotFoundError": NotFound,
            "ServiceRequestError": StorageUnreachable,
            "ServiceRequestTimeoutError": StorageUnreachable,
            "ServiceResponseError": StorageUnreachable,
            "ServiceResponseTimeoutError": StorageUnreachable,
        }
        plain = {
            "AzureError",
            "DecodeError",
            "DeserializationError",
            "ODataV4Error",
            "ResourceNotModifiedError",
            "ResponseNotReadError",
            "SerializationError",
            "StreamClosedError",
            "StreamConsumedError",
            "TooManyRedirectsError",
        }
        assert kind.__name__ in known.keys() | plain
        error = kind(Answer(400) if kind in NEED_ANSWERS else "first line\nsecond line")
        ours = translate(error, "reading data/a.csv", "http://here")
        assert type(ours) is known.get(kind.__name__, StorageError)
        assert "\n" not in str(ours)
        assert "data/a.csv" in str(ours)

    @pytest.mark.parametrize(
        ("status", "ours"),
        [
            (401, StorageDenied),
            (403, StorageDenied),
            (404, StorageError),  # without a code of storage: some other server
            (409, StorageError),  # a conflict of which nothing is known: what is there already has a class
            (412, Changed),
            (408, StorageUnreachable),
            (429, StorageUnreachable),
            (500, StorageUnreachable),
            (503, StorageUnreachable),
            (400, StorageError),
        ],
    )
    def test_each_status_is_translated(self, status, ours):
        error = HttpResponseError("no", response=Answer(status))
        assert type(translate(error, "reading", "http://here")) is ours


class TestConnecting:
    @pytest.mark.parametrize("managed_identity", [True, False])
    def test_an_identity_works_without_a_key(self, managed_identity):
        connection = Connection(
            blob_service_uri="https://fleet.blob.core.windows.net", managed_identity=managed_identity
        )
        store = Store.connect(Settings(connection=connection))
        assert (store.account, store.address) == ("fleet", "https://fleet.blob.core.windows.net")
        store.close()

    def test_names_of_settings_lead_to_containers(self, settings, store):
        assert (store.data.name, store.runs.name) == (settings.containers.data, settings.containers.runs)
        assert store.account == ACCOUNT


class TestBlobs:
    def test_a_written_blob_is_read(self, store):
        etag = store.runs.put("a/b.json", b"{}")
        content = store.runs.read("a/b.json")
        assert (content.data, content.etag) == (b"{}", etag)
        assert abs(content.served - datetime.now(UTC)) < timedelta(minutes=5)

    def test_head_list_and_write_agree_on_the_etag(self, store):
        etag = store.data.put("2018/grün #1?.csv", b"TS")
        found = store.data.find("2018/grün #1?.csv")
        (listed,) = store.data.list()
        assert found.etag == listed.etag == etag
        assert (found.size, found.md5) == (listed.size, listed.md5)
        assert found.last_modified == listed.last_modified
        assert listed.name == "2018/grün #1?.csv"

    def test_a_missing_blob_is_not_found(self, store):
        with pytest.raises(NotFound, match=f"{store.runs.name}/x: there is no such blob"):
            store.runs.read("x")
        assert store.runs.find("x") is None
        assert not store.runs.exists("x")
        store.runs.delete("x")

    def test_a_missing_container_is_distinct_from_a_missing_blob(self, settings):
        store = Store.connect(settings)
        for look in (
            store.runs.read,
            store.runs.find,
            store.runs.exists,
            store.runs.delete,
            lambda name: store.runs.put(name, b""),
            lambda name: list(store.runs.list(name)),
            lambda name: store.runs.replace(name, b"", "0x1"),
        ):
            with pytest.raises(ContainerMissing, match="no such container"):
                look("x")

    def test_a_container_is_created_once(self, settings):
        store = Store.connect(settings)
        assert [store.data.ensure(), store.data.ensure()] == [True, False]

    def test_create_does_not_overwrite(self, store):
        store.runs.create("a", b"1")
        with pytest.raises(AlreadyExists) as caught:
            store.runs.create("a", b"2")
        assert caught.value.found == b"1"
        assert store.runs.read("a").data == b"1"

    def test_of_many_that_create_one_wins(self, store):
        def create(number):
            try:
                store.runs.create("a", str(number).encode())
            except AlreadyExists:
                return None
            return number

        for _ in range(2):
            with ThreadPoolExecutor(8) as pool:
                won = [number for number in pool.map(create, range(8)) if number is not None]
            assert len(won) == 1
            assert store.runs.read("a").data == str(won[0]).encode()
            store.runs.delete("a")

    def test_touch_reports_who_was_first(self, store):
        assert store.runs.touch("a", metadata={"state": "active"})
        assert not store.runs.touch("a", metadata={"state": "other"})
        store.runs.lease("a", 15)
        assert not store.runs.touch("a", metadata={"state": "other"})
        assert store.runs.find("a").metadata == {"state": "active"}

    def test_replace_needs_the_version_that_was_read(self, store):
        first = store.runs.put("a", b"1")
        second = store.runs.replace("a", b"2", first)
        with pytest.raises(Changed):
            store.runs.replace("a", b"3", first)
        assert store.runs.read("a").etag == second
        store.runs.delete("a")
        with pytest.raises(Changed):
            store.runs.replace("a", b"3", second)

    def test_of_many_that_replace_one_wins(self, store):
        first = store.runs.put("a", b"first")

        def replace(number):
            try:
                store.runs.replace("a", str(number).encode(), first)
            except Changed:
                return 0
            return 1

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(replace, range(8))) == 1

    def test_of_a_blob_that_is_no_document_the_start_is_read(self, store, monkeypatch):
        monkeypatch.setattr(container, "MOST_BYTES", 1 << 20)
        store.preds.put("x/summary.json", b"[" * (1 << 20))
        store.preds.put("y/summary.json", b"[" * (40 << 20))
        assert len(store.preds.read("x/summary.json").data) == 1 << 20
        assert len(store.preds.read("y/summary.json").data) == 1 << 20

    def test_a_folder_lists_its_blobs_and_folders_once(self, store):
        for name in ("x/a", "x/b", "x/c/d", "y/z/c", "plain"):
            store.runs.put(name, b"12")
        assert list(store.runs.list_folder()) == ["x/", "y/", store.runs.find("plain")]
        assert list(store.runs.list_folder("x/")) == ["x/c/", store.runs.find("x/a"), store.runs.find("x/b")]


class TestFiles:
    @pytest.mark.parametrize("size", [0, 1, 5_000_000])
    def test_files_go_up_and_come_down(self, store, tmp_path, size):
        (tmp_path / "up.csv").write_bytes(b"x" * size)
        etag = store.data.upload("a.csv", tmp_path / "up.csv")
        store.data.download("a.csv", tmp_path / "down.csv", etag=etag)
        assert (tmp_path / "down.csv").read_bytes() == b"x" * size

    def test_another_version_is_not_what_was_asked_for(self, store, tmp_path):
        etag = store.data.put("a.csv", b"1")
        store.data.put("a.csv", b"2")
        with pytest.raises(Changed):
            store.data.download("a.csv", tmp_path / "a.csv", etag=etag)
        assert list(tmp_path.iterdir()) == []

    def test_downloading_a_missing_blob_leaves_no_file(self, store, tmp_path):
        with pytest.raises(NotFound):
            store.data.download("a.csv", tmp_path / "a.csv")
        assert list(tmp_path.iterdir()) == []


class TestLeases:
    def test_only_one_can_hold(self, store):
        store.runs.put("a", b"")
        lease = store.runs.lease("a", 15)
        assert next(store.runs.list()).leased
        with pytest.raises(LeaseHeld):
            store.runs.lease("a", 15)
        with pytest.raises(LeaseHeld):
            store.runs.delete("a")
        lease.renew()
        lease.release()
        assert not next(store.runs.list()).leased
        store.runs.lease("a", 15)

    def test_its_holder_can_change_and_delete_what_it_holds(self, store):
        store.runs.put("a", b"")
        lease = store.runs.lease("a", 15)
        store.runs.annotate("a", {"state": "failed"}, lease=lease)
        (listed,) = store.runs.list(metadata=True)
        assert listed.metadata == {"state": "failed"}
        store.runs.delete("a", lease=lease)
        with pytest.raises(NotFound):
            lease.renew()
        lease.release()

    def test_a_lost_lease_cannot_be_renewed(self, store):
        store.runs.put("a", b"")
        lost = store.runs.lease("a", 15)
        BlobLeaseClient(store.runs._client.get_blob_client("a")).break_lease(0)
        store.runs.lease("a", 15)
        with pytest.raises(LeaseHeld):
            lost.renew()
        lost.release()


@pytest.fixture
def through(azurite, store, settings):
    """A store behind a proxy that does what the test scripts: number of the request to fault."""
    opened = []

    def connect(faults):
        proxy = FaultProxy(azurite.ports["Blob"], lambda request: faults.get(request.number)).__enter__()
        behind = Settings(
            connection=Connection(connection_string(proxy.port)), containers=settings.containers
        )
        opened.append((proxy, Store.connect(behind)))
        return opened[-1][1]

    yield connect
    for proxy, behind in opened:
        behind.close()
        proxy.__exit__(None, None, None)


BREAKS = [Fault.INTERNAL, Fault.RESET, Fault.LOST, Fault.CUT]


class TestBadDays:
    @pytest.mark.parametrize("fault", Fault)
    def test_a_create_succeeds_after_any_fault(self, through, fault, caplog):
        behind = through({1: fault})
        with caplog.at_level(logging.WARNING):
            behind.runs.create("a", b"ours")
        assert behind.runs.read("a").data == b"ours"
        if fault is not Fault.DELAY:
            (record,) = caplog.records
            assert "trying again" in record.getMessage()
            assert "(2 of 5)" in record.getMessage()

    @pytest.mark.parametrize("fault", BREAKS)
    def test_so_does_a_replace(self, through, store, fault):
        etag = store.runs.put("a", b"before")
        through({1: fault}).runs.replace("a", b"ours", etag)
        assert store.runs.read("a").data == b"ours"

    @pytest.mark.parametrize("fault", BREAKS)
    def test_so_do_a_delete_and_a_lease(self, through, store, fault):
        store.runs.put("a", b"")
        store.runs.put("b", b"")
        through({1: fault}).runs.delete("a")
        assert not store.runs.exists("a")
        through({1: fault}).runs.lease("b", 15)
        assert next(store.runs.list("b")).leased

    @pytest.mark.parametrize("fault", BREAKS)
    def test_so_do_files_and_listings(self, through, store, tmp_path, fault):
        store.data.put("a", b"x" * 100_000)
        through({1: fault}).data.download("a", tmp_path / "a")
        assert (tmp_path / "a").stat().st_size == 100_000
        assert [blob.name for blob in through({1: fault}).data.list()] == ["a"]
        through({1: fault}).data.upload("b", tmp_path / "a")
        assert store.data.find("b").size == 100_000

    def test_a_create_of_another_process_is_not_mistaken_for_ours(self, through, store):
        store.runs.create("a", b"theirs")
        with pytest.raises(AlreadyExists):
            through({1: Fault.LOST}).runs.create("a", b"ours")

    def test_storage_that_only_fails_is_given_up(self, through):
        behind = through(dict.fromkeys(range(1, 100), Fault.BUSY))
        with pytest.raises(StorageUnreachable, match="keeps returning 503"):
            behind.runs.read("a")

    def test_storage_that_is_down_is_reported_within_seconds_in_one_line(self, settings):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            down = Connection(connection_string(unused.getsockname()[1]))
            store = Store.connect(Settings(connection=down, containers=settings.containers))
            began = datetime.now(UTC)
            with pytest.raises(StorageUnreachable, match=r"does not respond .*refused.* check") as caught:
                store.runs.read("a")
        assert datetime.now(UTC) - began < timedelta(seconds=30)
        assert "\n" not in str(caught.value)

    def test_a_wrong_key_is_reported_without_showing_it(self, settings):
        wrong = str(settings.connection.connection_string).replace(KEY, f"AAAA{KEY[4:]}")
        denied = Store.connect(Settings(connection=Connection(wrong), containers=settings.containers))
        with pytest.raises(StorageDenied, match="ScoringStorage") as caught:
            denied.runs.read("a")
        assert "AAAA" not in str(caught.value)


@pytest.mark.parametrize("name", ["../preds/x", "a/../../preds/x", "..", "a/./b"])
def test_no_name_leads_to_another_container(store, name):
    for request in (
        store.runs.read,
        store.runs.find,
        store.runs.delete,
        lambda name: store.runs.put(name, b"x"),
    ):
        with pytest.raises(StorageError, match="cannot be parts of a name"):
            request(name)


class TestInParallel:
    def test_answers_are_in_the_order_of_the_items(self):
        assert in_parallel(lambda item: item * item, range(1000)) == [item * item for item in range(1000)]

    def test_after_an_error_no_further_item_is_begun(self):
        begun = []

        def fail(item):
            begun.append(item)
            raise NotFound(f"{item}")

        with pytest.raises(NotFound):
            in_parallel(fail, range(1000))
        assert len(begun) <= PARALLEL

    def test_many_items_need_little_memory(self):
        items = range(20_000)
        in_parallel(abs, range(100))  # what the first one imports
        tracemalloc.start()
        try:
            in_parallel(abs, items)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak / len(items) < 250
