"""A function host for one machine, for use without Azure Functions Core Tools and for tests.

The real host is `func start`. This one runs an app in Microsoft's own Python worker library, reads the
triggers that the worker reports, and calls the functions through it: timers by their NCRONTAB schedule,
blobs that a scan finds or that Event Grid names. Tests hold it to recordings of the real host; see
docs/decisions/development-host.md. It listens on loopback only.
"""
