"""Benchmarks: a script per promise, with its budget as a constant."""
