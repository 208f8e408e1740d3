"""What happens now and then beside the load."""

import random
import threading
from collections.abc import Callable


class Repeater:
    """Does something now and then in a thread of its own, until stopped; use as a context manager."""

    def __init__(self, what: Callable[[], None], every: float, seed: int) -> None:
        """`every` is the mean of seconds between two times."""
        self._what, self._every = what, every
        self._chance = random.Random(seed)  # noqa: S311
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        while not self._stopping.wait(self._chance.expovariate(1 / self._every)):
            try:
                self._what()
            except Exception as error:  # noqa: BLE001 - raised where it is stopped
                self._failure = error
                return
