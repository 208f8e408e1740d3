"""The four containers of one storage account, and requests many at a time."""

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Self

from pipeline.settings import Containers, Settings
from pipeline.storage.container import Container

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

PARALLEL = 16
"""Most requests that one process sends at once."""


class Store:
    """The four containers of one storage account."""

    def __init__(self, client: "BlobServiceClient", containers: Containers) -> None:
        self._client = client
        self.account: str = client.account_name or client.primary_hostname
        self.address = f"{client.scheme}://{client.primary_hostname}"
        self.containers = containers
        self.data = self._container(containers.data)
        self.models = self._container(containers.models)
        self.preds = self._container(containers.preds)
        self.runs = self._container(containers.runs)

    @classmethod
    def connect(cls, settings: Settings, *, transport: Any = None) -> Self:
        """Create the client; it sends nothing yet.

        `transport` is an `azure.core` transport to use instead of the default.
        """
        from pipeline.storage.connect import blob_service

        return cls(blob_service(settings.connection, transport), settings.containers)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _container(self, name: str) -> Container:
        return Container(self._client.get_container_client(name), self.address)


def in_parallel[Item, Answer](function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """`function` of each item, in order; runs many at a time. After an error it begins no further item."""
    todo = list(items)
    if len(todo) < 2:  # noqa: PLR2004 - one item needs no pool
        return [function(item) for item in todo]
    numbers, answers = iter(range(len(todo))), dict[int, Answer]()

    def work() -> None:
        for number in numbers:
            answers[number] = function(todo[number])

    # Not `pool.map`: it holds a kilobyte for each item.
    count = min(PARALLEL, len(todo))
    with ThreadPoolExecutor(count) as pool:
        workers = [pool.submit(work) for _ in range(count)]
        try:
            wait(workers, return_when=FIRST_EXCEPTION)
        finally:  # after an error, or an interrupt
            deque(numbers, maxlen=0)
    for worker in workers:
        worker.result()
    return [answers[number] for number in range(len(todo))]
