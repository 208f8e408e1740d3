"""The project as a package: the contents of its wheel, its dependencies and its two commands."""

import ast
import importlib.metadata
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import scoring

REPO = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]

IMPORTED_BY_OTHERS = {
    "azure-monitor-opentelemetry": "the Functions worker imports it if telemetry is enabled",
}


def imported_modules() -> set[str]:
    """Full names of the modules that the product imports."""
    found = set()
    for path in (
        REPO / "function_app.py",
        *(REPO / "scoring").rglob("*.py"),
        *(REPO / "pipeline").rglob("*.py"),
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def modules_of(distribution: str) -> set[str]:
    """Full names of the modules in an installed package."""
    paths = importlib.metadata.files(distribution) or []
    modules = {path.with_suffix("").as_posix() for path in paths if path.suffix in {".py", ".so"}}
    return {module.removesuffix("/__init__").split(".")[0].replace("/", ".") for module in modules}


EXTRAS = PROJECT["optional-dependencies"]


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *(text for texts in EXTRAS.values() for text in texts)]
)
def test_every_dependency_is_imported_by_the_product(requirement):
    name = Requirement(requirement).name
    if name not in IMPORTED_BY_OTHERS:
        assert modules_of(name) & imported_modules(), f"nothing imports {name}: remove it"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The project's wheel, and a folder where it is installed without dependencies."""
    folder = tmp_path_factory.mktemp("package")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(REPO)]
    subprocess.run(wheel, check=True, cwd=folder)
    [built] = folder.glob("*.whl")
    target = folder / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(built)], check=True)
    return built, target


def test_the_wheel_contains_both_packages_with_their_assets_and_nothing_else(installed):
    names = zipfile.ZipFile(installed[0]).namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"scoring", "pipeline", f"fleet_scoring-{scoring.__version__}.dist-info"}
    assert "scoring/report/assets/report.css" in names


@pytest.mark.parametrize("command", ["fleet-scoring", "fleet-pipeline"])
def test_both_commands_print_their_version_from_any_folder(installed, command, tmp_path):
    target = installed[1]
    environment = os.environ | {"PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, target / "bin" / command, "--version"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{command} {scoring.__version__}\n"), done.stderr
