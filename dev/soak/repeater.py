"""Repeats an action at random intervals in the background."""

import random
import threading
from collections.abc import Callable


class Repeater:
    """Repeats an action in its own thread until the context manager exits."""

    def __init__(self, action: Callable[[], None], interval: float, seed: int) -> None:
        """`interval` is the mean time between two repetitions, in seconds."""
        self._action, self._interval = action, interval
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
        while not self._stopping.wait(self._chance.expovariate(1 / self._interval)):
            try:
                self._action()
            except Exception as error:  # noqa: BLE001 - raised in __exit__
                self._failure = error
                return
