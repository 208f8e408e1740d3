"""A module that makes no app."""
# ruff: noqa: INP001 - a function app is a folder, not a package

ANSWER = 42
