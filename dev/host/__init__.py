"""A function host for one machine, for those without Azure Functions Core Tools and for tests.

The real host is `func start`. This one loads an app through Microsoft's own Python worker library, reads
the triggers that the worker reports, and calls the functions through it: timers by their NCRONTAB
schedule, blobs by looking into the container. It listens on loopback only.
"""
