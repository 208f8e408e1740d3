"""A burst: 1,000 small blobs uploaded at once while the function app runs on this machine.

Each must be scored exactly once: the first few in runs of their own, the others in the run of a later event
or of the sweep, which take many landings along. The host's memory must stay flat meanwhile.
"""

import contextlib
import os
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from dev.demo.fleet import Landing, simulated_fleet
from dev.demo.marked_processes import kill_marked
from dev.demo.sandbox import Sandbox, open_sandbox
from dev.demo.wait import wait_for_runs
from dev.host.process import HostProcess

BLOBS = 1_000
SENSORS = 4
READINGS = 2
MEMORY_GROWTH = 32 * 2**20
"""Largest growth from a tenth of the calls to the last one."""
TICKS = 20


def main() -> int:
    """Upload, wait and check; returns 1 if a blob is missing or scored twice, or if memory grows."""
    mark = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        stack.callback(kill_marked, mark)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sandbox = open_sandbox("local", mark, stack)
        fleet = simulated_fleet(folder, os.environ, _print, devices=2, sensors=SENSORS // 2)
        sandbox.make_containers()
        sandbox.upload_models(fleet)
        _print(sandbox.publish())
        landings = _small_files(fleet.landings[0].file, folder / "burst")
        host = stack.enter_context(sandbox.start_host(lambda _line: None))
        host.wait_until_started()
        memory = _Memory(host.worker_pid)
        began = time.monotonic()
        with ThreadPoolExecutor(16) as uploads:
            list(uploads.map(sandbox.upload, landings))
        _print(f"{BLOBS:,} blobs uploaded in {time.monotonic() - began:.1f} s")
        _wait_for_calls(host, BLOBS // 10)
        early = memory.now()
        _wait_for_calls(host, BLOBS)
        late = memory.now()
        _print(f"{BLOBS:,} calls of the blob trigger after {time.monotonic() - began:.1f} s")
        ticks = _sweep_all(sandbox, host)
        memory.stop()
        problems = _problems(sandbox, early, late)
        took = time.monotonic() - began
    _print(f"all runs finished after {took:.1f} s and {ticks} ticks of the timer")
    _print(
        f"memory of the app: {_mib(early)} after a tenth of the calls, {_mib(late)} after the last, "
        f"peak {_mib(memory.peak)}"
    )
    for problem in problems:
        _print(f"FAILED: {problem}")
    return 1 if problems else 0


def _small_files(source: Path, folder: Path) -> list[Landing]:
    """Cut readings into `BLOBS` small files, reusing rows if there are too few."""
    folder.mkdir()
    header, *rows = source.read_text(encoding="utf-8").splitlines()
    size = SENSORS * READINGS
    landings = []
    for number in range(BLOBS):
        start = number * size % (len(rows) - size)
        file = folder / f"{number:04}.csv"
        file.write_text("\n".join([header, *rows[start : start + size], ""]), encoding="utf-8")
        landings.append(Landing(file, f"burst/{file.name}"))
    return landings


def _wait_for_calls(host: HostProcess, count: int) -> None:
    host.wait_for(r"Executed 'Functions\.score_on_blob' \(Succeeded", 600, count=count)


def _sweep_all(sandbox: Sandbox, host: HostProcess) -> int:
    """Call the timer until every landing is in a finished run; returns the number of calls."""
    for tick in range(1, TICKS + 1):
        host.call("score_on_timer")
        runs = [record.run for record in sandbox.context.runs.newest()]
        wait_for_runs(sandbox.context, runs, lambda _line: None)
        if sum(_landings(sandbox).values()) >= BLOBS:
            return tick
    return TICKS


def _landings(sandbox: Sandbox) -> Counter[str]:
    """The number of runs that have scored each landing."""
    runs = sandbox.context.runs
    return Counter(landing.name for record in runs.newest() for landing in runs.manifest(record.run).landings)


def _problems(sandbox: Sandbox, early: int, late: int) -> list[str]:
    records, counts = sandbox.context.runs.newest(), _landings(sandbox)
    readings = sum(record.counts.get("scored", 0) for record in records)
    _print(f"{len(records):,} runs scored {readings:,} readings of {len(counts):,} landings")
    problems = []
    if len(counts) != BLOBS:
        problems.append(f"{BLOBS - len(counts):,} landings were never scored")
    if twice := [name for name, count in counts.items() if count > 1]:
        problems.append(f"{len(twice):,} landings were scored twice, such as {twice[0]}")
    if readings != BLOBS * SENSORS * READINGS:
        problems.append(f"{readings:,} readings were scored, not {BLOBS * SENSORS * READINGS:,}")
    if late - early > MEMORY_GROWTH:
        problems.append(f"the app's memory grew by {_mib(late - early)}, more than {_mib(MEMORY_GROWTH)}")
    return problems


class _Memory:
    """Resident memory of a process, sampled while it runs."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stopping = threading.Event()
        self.peak = 0
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._sampler.start()

    def now(self) -> int:
        return int(self._process.memory_info().rss)

    def stop(self) -> None:
        self._stopping.set()
        self._sampler.join()

    def _sample(self) -> None:
        while not self._stopping.wait(0.1):
            self.peak = max(self.peak, self.now())


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
