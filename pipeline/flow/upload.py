"""Uploading readings and models from this machine; different content is overwritten on request only.

All names are checked first; nothing is sent if one of the blobs exists with different content. Each upload
is a conditional request, so that a blob that appears in the meantime is not overwritten either.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import Changed, InvalidRequest, ScoringProcessError
from pipeline.runs.landing import Landing, skipped_because
from pipeline.step_environment import run_scoring
from pipeline.storage.account import in_parallel
from pipeline.storage.container import Container
from pipeline.storage.listing import BlobInfo
from scoring import BESIDE_MODELS, InvalidKey, SensorKey, describe_others
from scoring.printable import printable

_PACKED_FROM = 100
"""Fewer models are fetched as fast without a pack."""
_SHOWN = 5
"""Names that a message repeats."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine, and the name of its blob."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Selected:
    """The files to upload, and what is left out: a line for each reason."""

    files: list[LocalFile]
    left_out: list[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Compared:
    """The files to upload, beside what the container has of them."""

    new: list[LocalFile]
    conflicts: list[tuple[LocalFile, BlobInfo]]
    """Files whose blobs have different content, and these blobs."""
    same: list[LocalFile]
    """Files that are in the container already."""

    @property
    def to_send(self) -> list[LocalFile]:
        """What the container does not have."""
        return [*self.new, *(file for file, _ in self.conflicts)]

    def require_consent(self, container: Container, *, free: frozenset[str] = frozenset()) -> None:
        """Check that nothing would be overwritten, except for blobs with the names in `free`.

        Raises:
            InvalidRequest: something would be.
        """
        if names := [file.name for file, _ in self.conflicts if file.name not in free]:
            raise _conflict(container, names)


def select_readings(paths: Sequence[Path], *, by_date: bool) -> Selected:
    """The files of readings at `paths`: blobs have the names of files, and of files below a folder.

    With `by_date`, the names begin with the day on which the file was last changed, in UTC: 2026/11/28/.

    Raises:
        InvalidRequest: nothing can be uploaded, or two files have the same name.
    """
    files, left_out = [], []
    for path, name in _named(paths):
        stat = path.stat()
        if reason := skipped_because(name, stat.st_size):
            left_out.append(f"skipped {printable(name)}: {reason}")
            continue
        day = f"{datetime.fromtimestamp(stat.st_mtime, UTC):%Y/%m/%d}/" if by_date else ""
        files.append(LocalFile(path, day + name, stat.st_size))
    if models := [file.path.name for file in files if _is_model(file.path.name)]:
        raise InvalidRequest(f"{models[0]} is a model, not readings: add --models ({len(models):,} models)")
    return _checked(files, left_out)


def select_models(paths: Sequence[Path]) -> Selected:
    """The models at `paths`, with their pack; other files of a folder are left out.

    Raises:
        InvalidRequest: there is no model.
    """
    files, others = [], []
    for path, name in _named(paths, deep=False):
        if name in BESIDE_MODELS or _is_model(name):
            files.append(LocalFile(path, name, path.stat().st_size))
        else:
            others.append(name)
    left_out = describe_others(others)
    if not any(file.name not in BESIDE_MODELS for file in files):
        found = f": {'; '.join(left_out)}" if left_out else ""
        raise InvalidRequest(f"no models in {', '.join(map(str, paths))}{found}")
    return _checked(files, left_out)


def fleet_folder(stored: Iterable[str], paths: Sequence[Path]) -> Path | None:
    """The folder to pack before its models are uploaded, so that a machine fetches them with one request.

    `stored` are the names of the blobs that are there. None where models are few, and where the folder is not
    the whole fleet: its pack would replace one of more models.
    """
    folder = paths[0]
    if len(paths) > 1 or not folder.is_dir():
        return None
    names = {path.name for path in folder.iterdir() if _is_model(path.name)}
    if len(names) < _PACKED_FROM or any(_is_model(name) for name in stored if name not in names):
        return None
    return folder


def pack(folder: Path) -> list[str]:
    """Pack the models of a folder; returns what is wrong, such as models that scoring refuses."""
    try:
        return run_scoring("pack", "--models", folder.resolve()).stderr.splitlines()
    except ScoringProcessError as error:  # the models are as good without it
        return [str(error)]


def compare(
    find: Callable[[str], BlobInfo | None],
    files: Sequence[LocalFile],
    advance: Callable[[int], None] = lambda _: None,
) -> Compared:
    """Find the blob of each file; of those that exist, compare the MD5.

    `find` returns the blob of a name: it asks the container, or knows a listing of it. `advance` is called
    with the size of each file.
    """

    def look(file: LocalFile) -> tuple[BlobInfo | None, bool]:
        blob = find(file.name)
        same = blob is not None and blob.size == file.size and blob.md5 == _md5(file.path)
        advance(file.size)
        return blob, same

    found = list(zip(files, in_parallel(look, files), strict=True))
    return Compared(
        new=[file for file, (blob, _) in found if blob is None],
        conflicts=[(file, blob) for file, (blob, same) in found if blob is not None and not same],
        same=[file for file, (_, same) in found if same],
    )


def upload(container: Container, compared: Compared, advance: Callable[[int], None]) -> list[Landing]:
    """Upload what is new, and replace what differs; `advance` is called with the bytes of each part.

    Returns the new blobs, as the landings that they are in the data container.

    Raises:
        InvalidRequest: another process uploaded different content in the meantime, or changed a file.
    """

    def send(item: tuple[LocalFile, BlobInfo | None]) -> Landing:
        file, blob = item
        before, md5 = file.path.stat(), _md5(file.path)
        try:
            etag = container.upload_over(
                file.name, file.path, blob.etag if blob else None, md5=md5, advance=advance
            )
        except Changed as error:
            now = container.find(file.name)  # perhaps ours: the response to an earlier attempt was lost
            if now is None or now.md5 != md5:
                raise _conflict(container, [file.name]) from error
            etag = now.etag
        after = file.path.stat()
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise InvalidRequest(f"{file.path} changed while it was uploaded: repeat this with --overwrite")
        return Landing(file.name, etag, file.size, md5)

    return in_parallel(send, [*((file, None) for file in compared.new), *compared.conflicts])


def _md5(path: Path) -> str:
    """The MD5 of a file in base64, as storage has it."""
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "md5").digest()).decode()


def _named(paths: Iterable[Path], *, deep: bool = True) -> list[tuple[Path, str]]:
    """Each file at `paths` with its name: relative to a folder that was given."""
    found = []
    for path in paths:
        if path.is_dir():
            below = sorted(path.rglob("*") if deep else path.iterdir())
            found += [(file, file.relative_to(path).as_posix()) for file in below if file.is_file()]
        elif path.is_file():
            found.append((path, path.name))
        else:
            raise InvalidRequest(f"there is no file or folder {printable(str(path))}")
    return found


def _checked(files: list[LocalFile], left_out: list[str]) -> Selected:
    names = [file.name for file in files]
    if not files:
        raise InvalidRequest("; ".join(["there is nothing to upload", *left_out[:_SHOWN]]))
    if twice := sorted(
        {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    ):
        raise InvalidRequest(
            f"several files would become {twice[0]!r}: upload them one by one, or rename them"
        )
    return Selected(files, left_out)


def _is_model(name: str) -> bool:
    with suppress(InvalidKey):
        SensorKey.from_model_name(name)
        return True
    return False


def _conflict(container: Container, names: list[str]) -> InvalidRequest:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return InvalidRequest(
        f"container {container.name!r} has different content under {', '.join(names[:_SHOWN])}{more}: "
        "it is not overwritten; use another name, or --overwrite"
    )
