"""`python -m pipeline upload`."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import EXIT_DONE
from scoring.formats import PACK_NAME
from scoring.printable import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.flow.context import Context
    from pipeline.flow.upload import Compared, Selected
    from pipeline.runs.landing import Landing
    from pipeline.storage.container import Container
    from pipeline.storage.listing import BlobInfo

_EXAMPLE = """\
Uploads readings to the data container, or models with --models to the models container. A blob has the name
of its file; below a folder, with the folders in between. With --by-date it begins with the day on which the
file was last changed, such as 2026/11/28/ (UTC).

100 models of a folder or more are packed first, unless the container has models that the folder does not
have: a machine fetches the pack, models.parquet, with one request.

A blob with the same content is left as it is. If a blob exists with different content, nothing is uploaded:
--overwrite replaces it. A pack is always replaced. Replaced readings are scored again.

Example:
  python -m pipeline upload --models models
  python -m pipeline upload readings.csv --by-date

Exit codes: 0 all is there; 1 failed; 2 usage or settings error, or a blob with different content exists.
"""
_MOST_LINES = 10
_MANY, _MANY_BYTES = 100, 100_000_000
"""More files or bytes take a while to check."""
_NEXT_MODELS = "python -m pipeline publish, so that runs use these models"
_NO_TRIGGER = "without a trigger, python -m pipeline sweep makes one"
_SHORT = len("blob-") + 8
"""Characters of the name of a landing's run that are enough to find it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EXAMPLE
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="file, or folder of files")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--models", action="store_true", help="these are models: model_{device}_{sensor}.skops")
    how.add_argument(
        "--by-date", action="store_true", help="start names with the day of the file's last change"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace blobs that have different content")


def run(args: argparse.Namespace) -> int:
    """Upload, with progress, and print the result and what follows from it."""
    from pipeline.commands.local_settings import open_context
    from pipeline.flow.upload import compare, select_readings, upload
    from pipeline.terminal.progress import transfer

    context = open_context()
    store = context.store
    container = store.models if args.models else store.data
    if args.models:
        selected, find = _models(container, args.paths)
    else:
        selected, find = select_readings(args.paths, by_date=args.by_date), container.find
    for line in selected.left_out[:_MOST_LINES]:
        print(line, file=sys.stderr)
    if len(selected.left_out) > _MOST_LINES:
        print(f"skipped {counted(len(selected.left_out) - _MOST_LINES, 'more file')}", file=sys.stderr)
    many = len(selected.files) > _MANY or selected.size > _MANY_BYTES
    checking = transfer(f"checking {counted(len(selected.files), 'file')}", selected.size)
    with checking if many else nullcontext(_ignore) as advance:
        compared = compare(find, selected.files, advance)
    if not args.overwrite:
        compared.require_consent(container, free=frozenset({PACK_NAME} if args.models else ()))
    if sent := compared.to_send:
        with transfer(f"uploading {counted(len(sent), 'file')}", sum(file.size for file in sent)) as advance:
            landings = upload(container, compared, advance)
    print(_result(compared, container.name))
    if sent:
        print(f"next: {_NEXT_MODELS if args.models else _next(context, landings)}")
    elif not args.models:
        print("a blob is scored once: python -m pipeline submit NAME --again scores it again")
    return EXIT_DONE


def _models(
    container: "Container", paths: "Sequence[Path]"
) -> "tuple[Selected, Callable[[str], BlobInfo | None]]":
    """The models at `paths`, packed if they are a fleet, and what finds their blobs: one listing."""
    from pipeline.flow.upload import fleet_folder, pack, select_models

    selected = select_models(paths)
    stored = {blob.name: blob for blob in container.list()}
    if folder := fleet_folder(stored, paths):
        print(f"packing the models of {folder} ...", file=sys.stderr, flush=True)
        for line in pack(folder):
            print(printable(line), file=sys.stderr)
        selected = select_models(paths)
    return selected, stored.get


def _ignore(_: int) -> None:
    """Show no progress."""


def _next(context: "Context", landings: "list[Landing]") -> str:
    """What scores new readings, and how to follow it."""
    from pipeline.errors import NothingPublished, StorageError
    from pipeline.published.publish import current
    from pipeline.runs.names import blob_run

    try:
        current(context.store)
    except NothingPublished:
        return "python -m pipeline publish: no pipeline is published yet; then python -m pipeline sweep"
    except StorageError:  # an identity that uploads needs no role for runs
        return "the trigger makes a run for each"
    if len(landings) > 1:
        return f"the trigger makes a run for each; {_NO_TRIGGER} for all"
    run = blob_run(context.runs.key(landings[0]))[:_SHORT]
    return f"the trigger makes a run, which python -m pipeline watch {run} follows; {_NO_TRIGGER}"


def _result(compared: "Compared", container: str) -> str:
    sent, same = compared.to_send, compared.same
    found = [f"uploaded {counted(len(sent), 'file')}"] if sent else []
    if compared.conflicts:
        found.append(f"{len(compared.conflicts):,} of them over different content")
    if same:
        found.append(f"{counted(len(same), 'file')} already there")
    names = [file.name for file in (*sent, *same)]
    return f"{', '.join(found)} -> container {container!r}: {names[0]}{', ...' if len(names) > 1 else ''}"
