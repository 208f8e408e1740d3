"""The folder that the workers of one machine share: slots for steps, downloaded models and logs.

    slots/<n>            locked with flock while a step runs: limits the steps of all workers together
    models/<container>/  downloaded models, by name and ETag; their pack, and what it holds
    published/<version>  the documents of a published pipeline, which never change
    runs/<run>-<random>/ work folder of a worker; it locks `alive` with flock, so that the next worker
                         detects and removes the folders of dead workers
    logs/<run>.log       log of a worker, until it is stored with the run

The kernel releases the locks of a process when it ends, for any reason.
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
"""Seconds between two tries of a waiting step to get a slot."""

_LOG_DAYS = 7


def default_folder() -> Path:
    """The default folder."""
    return Path(tempfile.gettempdir()) / f"fleet-scoring-{os.getuid()}"


class Machine:
    """The folder that the workers of one machine share."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if it does not exist.

        Raises:
            EngineError: it cannot be created, or belongs to another user.
        """
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                raise EngineError(f"{folder} belongs to another user: set TMPDIR to a folder of your own")
            for part in ("slots", "models", "published", "runs", "logs"):
                (folder / part).mkdir(exist_ok=True)
        except OSError as error:
            raise EngineError(
                f"cannot write to {folder} ({error.strerror}): set TMPDIR to a folder that is writable"
            ) from error

    def log(self, run: str) -> Path:
        """Path of the log of the worker of a run."""
        return self.folder / "logs" / f"{run}.log"

    @property
    def models(self) -> Path:
        """Folder of downloaded models."""
        return self.folder / "models"

    @property
    def published(self) -> Path:
        """Folder of downloaded documents."""
        return self.folder / "published"

    @contextmanager
    def slot(self, count: int, stop: threading.Event) -> Iterator[bool]:
        """Hold one of `count` slots, when one is free; yields False if `stop` is set before that."""
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
        """A folder for one worker, removed at the end; removes the folders of dead workers first."""
        runs = self.folder / "runs"
        with (self.folder / "runs.lock").open("w") as one_at_a_time:
            fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
            self._remove_dead_folders(runs)
            folder = Path(tempfile.mkdtemp(prefix=f"{run[:80]}-", dir=runs))
            alive = (folder / "alive").open("w")
            fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            with alive:
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _remove_dead_folders(self, runs: Path) -> None:
        for folder in runs.iterdir():
            with suppress(OSError), (folder / "alive").open("a") as alive:
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        for log in (self.folder / "logs").iterdir():
            with suppress(OSError):
                if time.time() - log.stat().st_mtime > _LOG_DAYS * 86_400:
                    log.unlink()
