"""Imports that import-linter cannot check: function_app is a module, not a package."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_function_app_imports_only_pipeline_from_this_project() -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text())
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    roots = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert roots == {"azure", "azurefunctions", "pipeline"}
