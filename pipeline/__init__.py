"""Runs: publishing, submitting, watching, sweeping, engines. It imports no numerics."""
