"""The lock files pin every package with hashes, and satisfy pyproject.toml."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPO = Path(__file__).parents[2]
LOCKS = (
    "requirements.txt",
    "requirements-app.txt",
    "requirements-run.txt",
    "requirements-dev.txt",
    "infra/requirements.txt",
)
SMALL = ("tests/fidelity/requirements.txt", "dev/uv.txt", "dev/node.txt")


def requirements(lock: str) -> list[str]:
    """Entries of a lock file, each on one line."""
    text = (REPO / lock).read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def pins(lock: str) -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for entry in requirements(lock):
        requirement = Requirement(entry.split("--hash")[0])
        [specifier] = requirement.specifier
        found.setdefault(canonicalize_name(requirement.name), set()).add(Version(specifier.version))
    return found


@pytest.mark.parametrize("lock", [*LOCKS, *SMALL])
def test_every_requirement_is_pinned_with_hashes(lock):
    entries = requirements(lock)
    assert len(entries) > (0 if lock in SMALL else 20)
    for entry in entries:
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[0-9A-Za-z.+!]+( ; [^\\]+?)?"
            r"( +--hash=sha256:[0-9a-f]{64})+ *",
            entry,
        ), entry


def test_the_locks_agree_with_each_other_and_with_the_requirements():
    app, run, dev = map(pins, ("requirements.txt", "requirements-run.txt", "requirements-dev.txt"))
    assert app.items() <= run.items() <= dev.items()
    document = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))
    project, groups = document["project"], document["dependency-groups"]
    extras = project["optional-dependencies"]
    deployed = [text for extra in ("scoring", "pipeline", "app") for text in extras[extra]]
    own = [text for text in groups["dev"] if isinstance(text, str)]
    asked_for = (
        (app, project["dependencies"] + deployed),
        (run, [*groups["run"], *extras["train"]]),
        (dev, [*own, *(text for texts in extras.values() for text in texts)]),
    )
    for locked, texts in asked_for:
        for text in texts:
            asked = Requirement(text)
            assert asked.url is None
            versions = locked[canonicalize_name(asked.name)]
            assert all(asked.specifier.contains(version) for version in versions), text


def test_every_package_of_azurite_has_a_digest_and_no_address():
    document = json.loads((REPO / "dev" / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in document["packages"].items() if name}
    assert len(packages) > 50
    for name, entry in packages.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"]), name
        assert "resolved" not in entry, name
        assert not entry.get("link"), name
    manifest = json.loads((REPO / "dev" / "package.json").read_text("utf-8"))
    assert document["packages"][""]["dependencies"] == manifest["dependencies"]


@pytest.mark.parametrize("script", ["dev/setup.sh", "infra/check.sh"])
def test_scripts_install_lock_files_with_hashes_required(script):
    installs = [
        line
        for line in (REPO / script).read_text("utf-8").splitlines()
        if re.search(r"(pip install|pip sync).*\$lock", line)
    ]
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_nothing_else_is_installed():
    """Each script and workflow installs what a lock file pins; an editor's container adds nothing."""
    files = [*REPO.glob("dev/*.sh"), *REPO.glob("infra/*.sh"), REPO / ".ci" / "run", REPO / "Makefile"]
    files += REPO.glob(".github/workflows/*.yml")
    found = [
        line.strip()
        for file in files
        for line in file.read_text("utf-8").splitlines()
        if re.search(r"\b(pip (install|sync)|npm (install|i)|npx|uvx|pipx)\b|pip\[@\]", line)
        and not line.lstrip().startswith(("#", "echo", "pip=("))
    ]
    assert len(found) > 5
    own = "--no-deps --no-build-isolation --editable"  # the project itself
    assert [line for line in found if "--require-hashes" not in line and own not in line] == []
    assert '"${npm[@]}" ci ' in (REPO / "dev" / "install-azurite.sh").read_text("utf-8")
    container = json.loads((REPO / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert (container.get("features"), container["postCreateCommand"]) == (None, "make setup")


def test_setup_without_uv_installs_the_lock_file_with_hashes_required():
    assert '"$here/install_packages.py" "$lock"' in (REPO / "dev" / "setup.sh").read_text("utf-8")
    script = (REPO / "dev" / "install_packages.py").read_text("utf-8")
    assert '"install", "--require-hashes", "-r", lock]' in script
