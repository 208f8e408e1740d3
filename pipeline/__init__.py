"""Runs: publishing, submitting, watching, sweeping, engines. It imports no numerics."""

import scoring  # noqa: F401 - checks the version of Python before anything else is imported
