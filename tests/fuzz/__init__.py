"""Fuzzing of every document that comes from outside: a damaged one must be read, or refused with an error."""
