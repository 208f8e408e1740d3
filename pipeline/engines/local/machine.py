"""What the workers of one machine share: a folder with slots for steps, fetched models and logs.

    slots/<n>            held with flock while a step runs: so many run at once, whoever started them
    models/<container>/  models as they were fetched, by name and ETag
    runs/<run>-<random>/ what a worker works in; its `alive` is held with flock, so that what a dead one
                         left is known and removed by the next
    logs/<run>.log       what a worker says, until it is stored with the run

Locks end with the process that holds them, however it ends.
"""

import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import EngineError

_LOOK_SECONDS = 0.03
"""How often a step that waits for a slot looks for one."""

_LOG_DAYS = 7


def default_folder() -> Path:
    """Where the folder is unless somebody says otherwise."""
    return Path(tempfile.gettempdir()) / f"fleet-scoring-{os.getuid()}"


class Machine:
    """The folder that the workers of one machine share."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is not there.

        Raises:
            EngineError: it cannot be made, or is somebody else's.
        """
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                raise EngineError(f"{folder} is somebody else's: set TMPDIR to a folder of your own")
            for part in ("slots", "models", "runs", "logs"):
                (folder / part).mkdir(exist_ok=True)
        except OSError as error:
            raise EngineError(
                f"cannot write to {folder} ({error.strerror}): set TMPDIR to a folder that is writable"
            ) from error

    def log(self, run: str) -> Path:
        """Where the worker of a run writes what it says."""
        return self.folder / "logs" / f"{run}.log"

    @property
    def models(self) -> Path:
        """Where fetched models are kept."""
        return self.folder / "models"

    @contextmanager
    def slot(self, count: int, stop: threading.Event) -> Iterator[bool]:
        """Hold one of `count` slots, once one is free; False where `stop` is set before that."""
        while not stop.is_set():
            for number in range(count):
                file = (self.folder / "slots" / str(number)).open("w")
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    file.close()
                    continue
                with file:
                    yield True
                return
            stop.wait(_LOOK_SECONDS)
        yield False

    @contextmanager
    def work_folder(self, run: str) -> Iterator[Path]:
        """A folder for one worker, removed at the end; those of dead workers are removed first."""
        runs = self.folder / "runs"
        with (self.folder / "runs.lock").open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            self._remove_what_is_dead(runs)
            folder = Path(tempfile.mkdtemp(prefix=f"{run[:80]}-", dir=runs))
            alive = (folder / "alive").open("w")
            fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            with alive:
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _remove_what_is_dead(self, runs: Path) -> None:
        for folder in runs.iterdir():
            with suppress(OSError), (folder / "alive").open("a") as alive:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        for log in (self.folder / "logs").iterdir():
            with suppress(OSError):
                if time.time() - log.stat().st_mtime > _LOG_DAYS * 86_400:
                    log.unlink()
