"""The simulation's storage behaves like the real one."""

from datetime import timedelta
from typing import Any

import pytest

from pipeline.errors import AlreadyExists, Changed, NotFound
from tests.simulation.memory import MemoryStore, Process, Server


@pytest.fixture(params=["memory", "azurite"])
def container(request: pytest.FixtureRequest) -> Any:
    """An empty container of each kind."""
    if request.param == "memory":
        return MemoryStore(Server(), Process()).runs
    return request.getfixturevalue("store").runs


def test_a_blob_is_read_with_its_etag(container: Any) -> None:
    etag = container.put("a/b", b"one")
    content = container.read("a/b")
    assert (content.data, content.etag) == (b"one", etag)
    assert container.find("a/b").size == 3
    assert container.put("a/b", b"two") != etag


def test_a_missing_blob_is_not_found(container: Any) -> None:
    with pytest.raises(NotFound):
        container.read("nothing")
    assert container.find("nothing") is None
    with pytest.raises(NotFound):
        container.annotate("nothing", {"state": "failed"})
    assert not container.exists("nothing")
    container.delete("nothing")


def test_only_the_first_create_succeeds_unless_the_content_is_the_same(container: Any) -> None:
    etag = container.create("x", b"ours")
    assert container.create("x", b"ours") == etag
    with pytest.raises(AlreadyExists) as caught:
        container.create("x", b"theirs")
    assert caught.value.found == b"ours"


def test_only_the_version_that_was_read_is_replaced(container: Any) -> None:
    first = container.put("x", b"1")
    second = container.replace("x", b"2", first)
    assert container.replace("x", b"2", first) == second
    with pytest.raises(Changed):
        container.replace("x", b"3", first)
    container.delete("x")
    with pytest.raises(Changed):
        container.replace("x", b"3", second)


def test_a_marker_is_created_once_and_annotated(container: Any) -> None:
    assert container.touch("open/r", metadata={"state": "active"})
    assert not container.touch("open/r", metadata={"state": "other"})
    before = container.find("open/r").etag
    container.annotate("open/r", {"state": "failed"})
    [found] = container.list("open/", metadata=True)
    assert found.metadata == {"state": "failed"}
    assert found.etag != before
    assert not found.leased


def test_listings_are_sorted_by_name_and_folders_are_first_segments(container: Any) -> None:
    for name in ("b/2", "a/1", "b/1", "top"):
        container.put(name, b"")
    assert [found.name for found in container.list()] == ["a/1", "b/1", "b/2", "top"]
    assert [found.name for found in container.list("b/")] == ["b/1", "b/2"]
    assert list(container.list_folder()) == ["a/", "b/", container.find("top")]
    assert all(found.metadata == {} for found in container.list())


def test_responses_carry_the_time_of_the_server(container: Any) -> None:
    container.put("x", b"")
    served, modified = container.read("x").served, container.find("x").last_modified
    assert abs(served - modified) < timedelta(seconds=5)
