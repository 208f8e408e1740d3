"""What a step finds on its disk: inputs as their modes deliver them, and folders for its outputs."""

import os
import shutil
import uuid
from pathlib import Path

from dev.azureml.storage import Storage

MODES = {"ro_mount": "ReadOnlyMount", "download": "Download", "direct": "Direct"}
"""Emulated modes of inputs: as documents spell them, and as bodies do."""

DEFAULT_MODE = "ReadOnlyMount"


class ReadOnly:
    """A folder that a step reads: a mount, on which nothing can be written.

    The step gets files of its own. Permissions do not stop a process of root from writing to them, so changes
    are detected when the step has finished.
    """

    def __init__(self, source: Path, folder: Path, *, fixed: bool) -> None:
        """Files are links where the source is `fixed`: nothing else writes to it meanwhile."""
        shutil.copytree(source, folder, copy_function=os.link if fixed else shutil.copy2)
        self.folder = folder
        self._before = _states(folder)

    def written(self) -> str | None:
        """The first entry that was changed, added or removed, if any."""
        after = _states(self.folder)
        differing = {file for file in {*self._before, *after} if self._before.get(file) != after.get(file)}
        return str(min(differing).relative_to(self.folder)) if differing else None


class Output:
    """A folder that a step writes to, and where its files go."""

    def __init__(self, storage: Storage, place: tuple[str, str], mount: Path | None, folder: Path) -> None:
        """`mount` holds what the job has written there so far, if the folder is mounted."""
        self.storage = storage
        self.container, self.path = place
        self.mount = mount
        self.folder = folder
        if mount:
            shutil.copytree(mount, folder, copy_function=os.link)
        else:
            folder.mkdir(parents=True)
        self._before = _states(folder)

    def keep(self) -> None:
        """Upload what is new or changed, and a blob for each folder."""
        changed = [file for file, state in _states(self.folder).items() if self._before.get(file) != state]
        # A marker such as _SUCCESS promises that the others exist, so it goes last.
        for file in sorted(changed, key=lambda file: (file.name.startswith("_"), file)):
            name = file.relative_to(self.folder)
            if file.is_dir():
                self.storage.make_folder(self.container, self.path, name.as_posix())
            else:
                self.storage.upload_file(file, self.container, self.path, name.as_posix())
            if self.mount:
                _show(file, self.mount, self.mount / name)


def _show(file: Path, mount: Path, target: Path) -> None:
    """Put a file into the mount atomically: steps that start now link what they find there."""
    if file.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    whole = mount.with_name(f"{mount.name}.{uuid.uuid4().hex}")
    shutil.copy2(file, whole)
    whole.replace(target)


def _states(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Every file with what changes when it is written, and every folder that there is."""
    states: dict[Path, tuple[int, ...]] = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        states[path] = () if path.is_dir() else (state.st_ino, state.st_size, state.st_mtime_ns)
    return states
