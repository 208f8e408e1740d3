"""README and docs are true: links resolve, commands exist, and examples run as printed."""

import argparse
import importlib
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import pipeline.cli
import scoring.cli

REPO = Path(__file__).parents[1]
PAGES = sorted([*REPO.glob("*.md"), *(REPO / "docs").rglob("*.md")])
README = REPO / "README.md"


def page_id(page: Path) -> str:
    return str(page.relative_to(REPO))


@cache
def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def console_commands(page: Path) -> list[str]:
    """The commands in a page's console blocks, each on one line, without comments."""
    lines = "\n".join(blocks(page, "console")).replace("\\\n", " ").splitlines()
    return [line[2:].split("  #")[0].strip() for line in lines if line.startswith("$ ")]


def commands(page: Path) -> list[str]:
    """The commands in a page's console blocks and sentences."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [*console_commands(page), *re.findall(r"`((?:python -m|make) [^`]+)`", text)]


def parser_of(module: str, command: str):
    cli = {"pipeline": pipeline.cli, "scoring": scoring.cli}[module]
    assert command in cli.COMMANDS, f"python -m {module} has no command {command}"
    parser = argparse.ArgumentParser(prog=command)
    importlib.import_module(f"{module}.commands.{command.replace('-', '_')}").add_arguments(parser)
    return parser


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_within_the_repository_resolves(page: Path):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if not link.startswith(("https://", "mailto:")):
            target, _, anchor = link.partition("#")
            file = page.parent / target if target else page
            assert file.exists(), link
            assert not anchor or anchor in headings(file), link


def headings(page: Path) -> set[str]:
    """Anchors of a page, as GitHub generates them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_in_the_docs_exists_with_its_options(page: Path):
    targets = set(re.findall(r"^([a-z-]+):", (REPO / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for command in commands(page):
        words = shlex.split(command)
        if words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= targets, command
        elif words[:2] == ["python", "-m"] and words[2] in {"pipeline", "scoring"}:
            # Sentences often name an option without the rest of its command.
            parser = parser_of(words[2], words[3]) if len(words) > 3 and words[3] != "…" else None
            known = parser.format_help() if parser else ""
            for option in (word for word in words[4:] if word.startswith("--")):
                assert re.search(rf"{option}\b", known), command
        elif words[:2] == ["python", "-m"]:
            assert importlib.util.find_spec(words[2]), command


def test_the_readme_or_the_operations_guide_documents_every_command():
    docs = README.read_text(encoding="utf-8") + (REPO / "docs" / "operations.md").read_text(encoding="utf-8")
    for module, cli in (("pipeline", pipeline.cli), ("scoring", scoring.cli)):
        for command in cli.COMMANDS:
            assert re.search(rf"(`{command}|python -m {module} {command})\b", docs), f"{module} {command}"


@pytest.mark.slow
def test_the_readme_example_of_scoring_from_a_shell_works(tmp_path: Path):
    block = next(block for block in blocks(README, "console") if "scoring simulate" in block)
    lines = [line[2:] for line in block.splitlines()]
    assert lines[0] == "source .venv/bin/activate"  # this interpreter's environment
    run_in(tmp_path, "\n".join(lines[1:]))
    assert (tmp_path / "preds" / "_SUCCESS").exists()
    assert len(list((tmp_path / "preds").glob("preds_*.csv"))) == 15
    assert json.loads((tmp_path / "preds" / "summary.json").read_bytes())["totals"]["anomalies"] > 0

    [snippet] = blocks(README, "python")
    (tmp_path / "out").mkdir()
    (tmp_path / "preds").rename(tmp_path / "out" / "<run>")
    run_in(tmp_path, f"{shlex.quote(sys.executable)} -c {shlex.quote(snippet + 'print(len(preds))')}")


def run_in(folder: Path, script: str, environ: Mapping[str, str] = os.environ) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**environ, "PATH": path, "PYTHONPATH": str(REPO)}
    command = ["/bin/bash", "-e", "-c", script]
    done = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_readme_documents_every_setting():
    text = README.read_text(encoding="utf-8")
    code = (REPO / "pipeline" / "settings.py").read_text(encoding="utf-8")
    names = set(re.findall(r'"((?:SCORING|AZURE|AZUREML)_[A-Z_]+)"', code))
    assert len(names) > 15
    for name in names:
        short = re.sub(r"^SCORING_(MODELS|PREDS|RUNS)_CONTAINER$", r"`_\1_`", name)
        assert f"`{name}`" in text or short in text, name


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_table_has_a_header_and_each_of_its_rows_as_many_cells(page: Path):
    """A paragraph within a table makes texts of the rows after it."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        _, *rest = rows = table.splitlines()
        assert rest, f"a row without a header: {table}"
        assert re.fullmatch(r"\|[-| :]+", rest[0]), table
        assert len({re.sub(r"`[^`]*`|\\\|", "", row).count("|") for row in rows}) == 1, table


def test_the_changelog_repeats_no_section_and_no_line():
    """Merging two rewrites of it can keep both."""
    for release in re.split(r"^## ", (REPO / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE):
        lines = [line for line in release.splitlines() if line]
        assert not {line for line in lines if lines.count(line) > 1}


@pytest.mark.parametrize(
    "file", [".vscode/tasks.json", ".devcontainer/devcontainer.json", "host.json"], ids=str
)
def test_configuration_files_of_tools_are_valid_json(file: str):
    assert json.loads((REPO / file).read_text(encoding="utf-8"))


def test_editor_tasks_call_existing_make_targets():
    tasks = json.loads((REPO / ".vscode" / "tasks.json").read_text(encoding="utf-8"))["tasks"]
    targets = (REPO / "Makefile").read_text(encoding="utf-8")
    called = [task["command"].split() for task in tasks if task["command"].startswith("make ")]
    assert called
    assert all(f"\n{target}:" in targets for _, target in called)


def test_the_tests_that_the_threat_model_names_exist():
    text = (REPO / "docs" / "security.md").read_text("utf-8")
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", text))
    assert len(named) > 20
    files = list((REPO / "tests").rglob("test_*.py"))
    defined = {name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text("utf-8"))}
    assert named - defined == set()
    rows = [line for line in text.splitlines() if line.startswith("|") and line.count("|") == 6]
    unproved = [
        line for line in rows if "`test_" not in line and "---" not in line and "shown by" not in line
    ]
    assert all("nothing" in line or "their own accounts" in line for line in unproved), unproved
