"""What steps run in on Azure ML: an image, the packages that scoring needs, and scoring's own code."""

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
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20250601.v1"
PYTHON = "3.13"
PACKAGES = (
    *("numpy", "pyarrow", "rich", "scikit-learn", "skops"),  # scoring imports these
    *("joblib", "narwhals", "scipy", "threadpoolctl"),  # scikit-learn needs them
    *("cloudpickle", "packaging", "prettytable", "wcwidth"),  # skops does
    *("markdown-it-py", "mdurl", "pygments"),  # rich does
)
"""All packages of a step's environment. Their versions are those of requirements.txt, which is tested."""

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def conda_file(root: Path = ROOT) -> dict[str, Any]:
    """The conda file of the environment, every package at the version that the project is tested with.

    Raises:
        PublishError: requirements.txt is not there, or lacks a package.
    """
    path = root / "requirements.txt"
    try:
        pins = {name.lower(): version for name, version in _PIN.findall(path.read_text("utf-8"))}
    except OSError as error:
        raise PublishError(
            f"cannot read {path} ({error.strerror}): publish from the project's folder"
        ) from error
    if lacking := sorted(set(PACKAGES) - set(pins)):
        raise PublishError(f"{path} pins no version of {', '.join(lacking)}: run make lock")
    packages = [f"{name}=={pins[name]}" for name in sorted(PACKAGES)]
    return {
        "name": NAME,
        "channels": ["conda-forge"],
        "dependencies": [f"python={PYTHON}", "pip", {"pip": packages}],
    }


def environment_version(conda: dict[str, Any]) -> str:
    """Version of the environment: the same content, the same version."""
    return short_hash(json.dumps({"image": IMAGE, "conda": conda}, sort_keys=True).encode())


def code_hash(root: Path = ROOT) -> str:
    """Hash over the names and contents of scoring's files.

    Raises:
        PublishError: there are none.
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
    """Copy scoring's files, and nothing else, into `target`."""
    for file in _code_files(root):
        place = target / file.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)


def short_hash(*parts: bytes) -> str:
    """A version made from content: 16 hex digits, a letter first so that nothing reads it as a number."""
    return "v" + hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _code_files(root: Path) -> Iterator[Path]:
    for file in sorted((root / CODE).rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith("."):
            yield file
