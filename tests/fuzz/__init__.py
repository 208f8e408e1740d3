"""Fuzzing of all that is read and was written by others: damaged documents end in an error that says so."""
