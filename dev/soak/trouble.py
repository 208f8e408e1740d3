"""What goes wrong in a soak: storage fails, in fair weather and in storms, and processes are killed."""

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Self

import psutil

from dev.demo.leftovers import marked
from dev.demo.stage import Stage
from dev.host.process import HostEnded, HostProcess
from dev.proxy import Fault, Request

_FAIR, _STORM = 0.01, 0.15
"""Shares of requests that go wrong."""
_STORM_EVERY, _STORM_LASTS = 60.0, 15.0


class Weather:
    """Chooses what goes wrong with storage; a storm comes every minute, none once it is `calm`."""

    def __init__(self, seed: int) -> None:
        self.calm = False
        self._chance = random.Random(seed)  # noqa: S311
        self._began = time.monotonic()

    def __call__(self, _request: Request) -> Fault | None:
        """The fault of one request, for `FaultProxy`."""
        if self.calm:
            return None
        minute = (time.monotonic() - self._began) % _STORM_EVERY
        share = _STORM if minute >= _STORM_EVERY - _STORM_LASTS else _FAIR
        return self._chance.choice(tuple(Fault)) if self._chance.random() < share else None


class Hosts:
    """The host of the app, one after the other: each is killed some day; use as a context manager."""

    def __init__(self, stage: Stage, mark: str, seed: int) -> None:
        self.killed: Counter[str] = Counter()
        self.samples: list[tuple[float, int, int, int]] = []
        """Of the host: time in seconds, process, bytes of memory, open files."""
        self._stage, self._mark = stage, mark
        self._chance = random.Random(seed)  # noqa: S311
        self._changing = threading.Lock()
        self._host = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._host.stop()

    def call(self, function: str, given: str) -> bool:
        """Call a function out of turn; whether there was a host that took it."""
        with suppress(OSError):
            return self._host.call(function, given) < 400  # noqa: PLR2004
        return False

    def kill(self) -> None:
        """Kill the host in the middle of whatever it does, and start another."""
        with self._changing:
            self._host.kill()
            self.killed["hosts"] += 1
            self._host = self._start()

    def kill_worker(self) -> None:
        """Kill a worker of the local engine with the steps that it runs, if there is one."""
        found = [process for process in marked(self._mark) if _is_worker(process)]
        if found:
            worker = self._chance.choice(found)
            with suppress(psutil.Error):  # it may have ended meanwhile
                worker.kill()
                self.killed["workers"] += 1

    def sample(self) -> None:
        """Note how much memory and how many files the host has."""
        with self._changing, suppress(psutil.Error):
            process = psutil.Process(self._host.pid)
            self.samples.append((time.monotonic(), process.pid, process.memory_info().rss, process.num_fds()))

    def _start(self) -> HostProcess:
        while True:
            host = self._stage.start_host(_say_nothing)
            with suppress(HostEnded):  # storage failed while it started: Azure would start it again, too
                return host.wait_until_started(60)
            host.stop()
            self.killed["hosts that did not start"] += 1


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "pipeline.engines.local.worker" in process.cmdline()
    return False


def _say_nothing(_line: str) -> None:
    """The host's lines are kept by its process object."""
