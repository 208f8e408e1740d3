"""What stops this host."""


class HostError(Exception):
    """The host cannot start or go on; the message says what, where, and what to do, in one line."""
