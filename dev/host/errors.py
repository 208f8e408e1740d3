"""Errors that stop this host."""


class HostError(Exception):
    """The host cannot start or continue; the message says what, where, and what to do, in one line."""
