"""The storage in memory answers as Azurite does, as far as the pipeline asks."""

import pytest

from dev.memory_storage import Blob, MemoryStorage
from pipeline.errors import AlreadyExists, Changed, NotFound
from pipeline.settings import Settings
from pipeline.storage.account import Store
from pipeline.storage.container import Container

NAMES = [
    "a/1",
    "a/2",
    "a/b/3",
    "a0",
    "c & d/é",
    "e",
    "z/\U0001f321",
    "z/\uff5e",
]  # the last two sorted by UTF-16


@pytest.fixture
def in_memory():
    with MemoryStorage({"data": {name: Blob(b"x") for name in NAMES}, "runs": {}}) as storage:
        store = Store.connect(Settings.from_environment({"ScoringStorage": storage.connection_string}))
        yield store
        store.close()


def answers(container: Container):
    """What a container answers to all requests that the pipeline sends often."""
    container.create("x", b"1", metadata={"run": "r"})
    yield container.read("x").data
    with pytest.raises(AlreadyExists):
        container.create("x", b"2")
    yield container.touch("x", metadata={"a": "b"}), container.touch("y", metadata={"a": "b"})
    first = container.put("z", b"1")
    second = container.replace("z", b"2", first)
    with pytest.raises(Changed):
        container.replace("z", b"3", first)
    found = container.find("z")
    assert found is not None
    yield first != second, container.read("z").etag == second, found.etag == second, found.metadata
    container.annotate("z", {"state": "left"})
    yield container.read("z").data
    yield [(blob.name, blob.size, blob.md5, blob.metadata) for blob in container.list(metadata=True)]
    container.delete("x")
    container.delete("x")
    yield container.exists("x"), container.read("y").data
    with pytest.raises(NotFound):
        container.read("x")


def test_it_answers_as_azurite_does(in_memory, store):
    assert list(answers(in_memory.runs)) == list(answers(store.runs))


@pytest.mark.parametrize("page", [1, 2, 5])
def test_its_listings_are_those_of_azurite(in_memory, store, page):
    for name in NAMES:
        store.data.put(name, b"x")
    for prefix in ("", "a", "a/", "c & d/", "none"):
        listed = [blob.name for blob in in_memory.data.list(prefix, page=page)]
        assert listed == [blob.name for blob in store.data.list(prefix, page=page)]
    for folder in ("", "a/", "none/"):
        assert children(in_memory.data, folder) == children(store.data, folder)


@pytest.mark.parametrize("page", [1, 2, 5])
@pytest.mark.parametrize(
    "start_from", ["", "a/2", "a/3", "b", "c & d/é", "e?x=1&y", "z/\uff5e", "z/\uff5e\uff5e"]
)
@pytest.mark.parametrize("prefix", ["", "a/", "c & d/", "z"])
def test_its_listings_can_start_from_a_name(in_memory, page, start_from, prefix):
    listed = [blob.name for blob in in_memory.data.list(prefix, start_from=start_from, page=page)]
    behind = [name for name in NAMES if name.encode("utf-16-be") >= start_from.encode("utf-16-be")]
    assert listed == [name for name in behind if name.startswith(prefix)]


def children(container, folder):
    return [one if isinstance(one, str) else one.name for one in container.list_folder(folder)]
