"""The environment of steps on Azure ML: an image, the packages that scoring needs, and its code."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import PublishError
from pipeline.step_environment import ROOT

CODE = "scoring"
NAME = "fleet-scoring"
IMAGE = "mcr.microsoft.com/azureml/openmpi5.0-ubuntu24.04:latest"
"""The smallest of Azure ML's own that has conda, without which a conda file cannot be used.

Its tag has no date: an image with a date is never patched again; this one is resolved when a version of the
environment is first built. A plain Python image would be smaller, but it needs a Dockerfile, and that a build
context in the workspace's own storage, to which everybody who publishes would need access.
"""
PYTHON = "3.13"
PACKAGES = (
    *("jinja2", "msgspec", "numpy", "pyarrow", "rich"),  # scoring imports these
    *("markdown-it-py", "markupsafe", "mdurl", "pygments"),  # jinja2 and rich need them
)
"""All packages of the environment, in the versions of requirements.txt; a test checks the list."""

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?P<version>==[^\s;\\]+)[^-\n]*(?P<hashes>(?:--hash=\S+\s*)+)$",
    re.MULTILINE,
)
"""One requirement of a lock file whose continued lines were joined."""


def conda_file(root: Path = ROOT) -> dict[str, Any]:
    """The conda file of the environment, with versions and hashes of the packages that are tested.

    Raises:
        PublishError: requirements.txt is missing, or does not pin a package.
    """
    path = root / "requirements.txt"
    try:
        text = path.read_text("utf-8").replace("\\\n", " ")
    except OSError as error:
        raise PublishError(
            f"cannot read {path} ({error.strerror}): publish from the project's folder"
        ) from error
    pins = {
        found["name"].lower(): " ".join([found["name"] + found["version"], *found["hashes"].split()])
        for found in _PIN.finditer(text)
    }
    if missing := sorted(set(PACKAGES) - set(pins)):
        raise PublishError(f"{path} pins no version of {', '.join(missing)}: run make lock")
    return {
        "name": NAME,
        # Without the second, conda asks for a licence of the default channels before it installs anything.
        "channels": ["conda-forge", "nodefaults"],
        "dependencies": [f"python={PYTHON}", "pip", {"pip": [pins[name] for name in sorted(PACKAGES)]}],
    }


def environment_version(conda: dict[str, Any]) -> str:
    """Version of the environment: the same content gives the same version."""
    return short_hash(json.dumps({"image": IMAGE, "conda": conda}, sort_keys=True).encode())


def code_hash(root: Path = ROOT) -> str:
    """Hash over the names and contents of the files of scoring.

    Raises:
        PublishError: there are no such files.
    """
    digest = hashlib.sha256()
    files = list(_code_files(root))
    if not files:
        raise PublishError(f"there is no {CODE!r} package in {root}: publish from the project's folder")
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def copy_code(target: Path, root: Path = ROOT) -> None:
    """Copy the files of scoring, and nothing else, into `target`."""
    for file in _code_files(root):
        place = target / file.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


def short_hash(*parts: bytes) -> str:
    """A hash as a version: 16 hex digits after a letter, so that nothing reads it as a number."""
    return "v" + hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _code_files(root: Path) -> Iterator[Path]:
    for file in sorted((root / CODE).rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith("."):
            yield file
