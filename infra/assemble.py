"""Assemble what is deployed to Azure: an allow-list, so that nothing else in the folder is deployed.

    python infra/assemble.py out/app [--zip out/app.zip]

The app is function_app.py, host.json, `pipeline`, and what that imports of `scoring`. Steps run in an
environment of their own, so numpy, pyarrow and scikit-learn stay out: requirements-app.txt becomes
requirements.txt.
"""

import argparse
import ast
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "function_app.py": "function_app.py",
    "host.json": "host.json",
    "requirements-app.txt": "requirements.txt",
}
ASSETS = Path("scoring") / "report" / "assets"


def assemble(target: Path) -> list[str]:
    """Write the app into the folder `target`, replacing its content; returns the names of its files."""
    if target.exists() and not (target / "function_app.py").is_file() and any(target.iterdir()):
        raise SystemExit(
            f"error: {target} is not a folder that this command wrote: name another, or remove it"
        )
    shutil.rmtree(target, ignore_errors=True)
    files = {**FILES, **{str(path): str(path) for path in sorted(_code())}}
    for source, name in files.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, place)
    return sorted(files.values())


def _code() -> Iterator[Path]:
    """The packages' files, relative to the project's folder."""
    own = [path.relative_to(ROOT) for path in (ROOT / "pipeline").rglob("*.py")]
    yield from own
    yield from _modules([name for path in own for name in _imports(path)])
    for path in (ROOT / ASSETS).iterdir():
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(ROOT)


def _modules(names: list[str]) -> set[Path]:
    """The files of these modules of scoring and of all that they import, also inside functions."""
    found: set[Path] = set()
    while names:
        parts = names.pop().split(".")
        for length in range(1, len(parts) + 1):  # a module's packages are imported with it
            path = _file(Path(*parts[:length]))
            if path and path not in found:
                found.add(path)
                names += _imports(path)
    return found


def _file(module: Path) -> Path | None:
    for path in (module.with_suffix(".py"), module / "__init__.py"):
        if (ROOT / path).is_file():
            return path
    return None  # a name in a module


def _imports(path: Path) -> Iterator[str]:
    """What a file imports of scoring; imported names can be modules themselves."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] == "scoring")


def main() -> int:
    """Assemble the app and print its size."""
    parser = argparse.ArgumentParser(description="Assemble what is deployed to Azure.")
    parser.add_argument("target", type=Path, help="the folder to write, such as out/app")
    parser.add_argument("--zip", type=Path, help="also write this archive, for az functionapp deployment")
    args = parser.parse_args()
    names = assemble(args.target)
    size = sum((args.target / name).stat().st_size for name in names)
    print(f"{len(names)} files, {size / 1e6:.1f} MB -> {args.target}")
    if args.zip:
        archive = shutil.make_archive(str(args.zip.with_suffix("")), "zip", args.target)
        print(f"-> {archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
