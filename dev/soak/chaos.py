"""The faults of the soak test: storage fails, rarely or in bad phases, and processes are killed."""

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from dev.demo.marked_processes import marked
from dev.demo.sandbox import Sandbox
from dev.host.process import HostEnded, HostProcess
from dev.proxy import Fault, Request

_NORMAL_SHARE, _BAD_PHASE_SHARE = 0.01, 0.15
"""Shares of requests that fail."""
_BAD_PHASE_EVERY, _BAD_PHASE_SECONDS = 60.0, 15.0
_STEP_SECONDS = 2.0
"""How long to wait for a step to kill: most of a worker's time goes to storage."""


class StorageFaults:
    """Chooses the faults of storage: a few at any time, many in bad phases, none once `stopped`."""

    def __init__(self, seed: int) -> None:
        self.stopped = False
        self._chance = random.Random(seed)  # noqa: S311
        self._began = time.monotonic()

    def __call__(self, _request: Request) -> Fault | None:
        """The fault of one request, for `FaultProxy`."""
        if self.stopped:
            return None
        since = (time.monotonic() - self._began) % _BAD_PHASE_EVERY
        share = _BAD_PHASE_SHARE if since >= _BAD_PHASE_EVERY - _BAD_PHASE_SECONDS else _NORMAL_SHARE
        return self._chance.choice(tuple(Fault)) if self._chance.random() < share else None


class Hosts:
    """A host of the app that is replaced by a new one when it is killed; use as a context manager."""

    def __init__(self, sandbox: Sandbox, mark: str, seed: int) -> None:
        self.killed: Counter[str] = Counter()
        self.samples: list[tuple[float, int, int, int]] = []
        """Samples of the app: time in seconds, process ID, bytes of memory, open files."""
        self._sandbox, self._mark = sandbox, mark
        self._chance = random.Random(seed)  # noqa: S311
        self._changing = threading.Lock()
        self._host = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._host.stop()

    def call(self, function: str, given: str) -> bool:
        """Call a function through the host's admin endpoint; returns whether the host accepted the call."""
        with suppress(OSError, HostEnded):  # the host was killed meanwhile
            return self._host.call(function, given) < 400  # noqa: PLR2004
        return False

    def kill(self) -> None:
        """Kill the host abruptly and start another one."""
        with self._changing:
            self._host.kill()
            self.killed["hosts"] += 1
            self._host = self._start()

    def kill_worker(self) -> None:
        """Kill a random worker of the local engine, if there is one."""
        found = [process for process in marked(self._mark) if is_worker(process)]
        if found:
            worker = self._chance.choice(found)
            with suppress(psutil.Error):  # it has exited meanwhile
                worker.kill()
                self.killed["workers"] += 1

    def kill_step(self) -> None:
        """Kill one random step, or `collect`, of the local engine, if there is one: its worker continues."""
        workers = [process for process in marked(self._mark) if is_worker(process)]
        left, seen = self._chance.randrange(3), set[int]()
        deadline = time.monotonic() + _STEP_SECONDS
        while workers and time.monotonic() < deadline:
            for step in [step for worker in workers for step in forked_steps(worker)]:
                if step.pid in seen:
                    continue
                seen.add(step.pid)
                with suppress(psutil.Error):  # it has exited meanwhile
                    if left <= 0:
                        what = "collects" if step.name().startswith("collect") else "steps"
                        step.kill()
                        self.killed[what] += 1
                        return
                left -= 1
            time.sleep(0.002)

    def sample(self) -> None:
        """Record the app's memory and open files."""
        with self._changing, suppress(psutil.Error):
            process = psutil.Process(self._host.worker_pid)
            files = 0
            with suppress(psutil.AccessDenied):  # it is closed to other processes, except to root's
                files = process.num_fds()
            self.samples.append((time.monotonic(), process.pid, process.memory_info().rss, files))

    def _start(self) -> HostProcess:
        while True:
            host = self._sandbox.start_host(_ignore)
            with suppress(HostEnded):  # storage failed during the start: Azure would restart it too
                return host.wait_until_started(60)
            host.stop()
            self.killed["hosts that did not start"] += 1


def is_worker(process: psutil.Process) -> bool:
    """Whether a process is a worker of the local engine."""
    with suppress(psutil.Error):
        return "pipeline.engines.local.worker" in process.cmdline()
    return False


def forked_steps(worker: psutil.Process) -> list[psutil.Process]:
    """The running steps of a worker: children of the process that it forks them from.

    A step lives for some hundredths of a second, so this reads one file for each child only.
    """
    found = []
    for child in _children(worker.pid):
        with suppress(psutil.Error):  # it has exited meanwhile
            found += [psutil.Process(step) for step in _children(child)]
    return found


def _children(pid: int) -> list[int]:
    with suppress(OSError):  # it has exited meanwhile
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _ignore(_line: str) -> None:
    """Print nothing: `HostProcess` keeps the lines."""
