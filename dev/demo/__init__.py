"""The demo: the main job on this machine, from nothing to predictions, in one command: `make run`.

It sets up a sandbox (Azurite, a simulated fleet or your own, a published pipeline, the function app in a
host), uploads readings and shows what happens: the blob trigger submits a run, its steps score each sensor,
and the timer sweeps a landing whose event was lost. Everything it started stops with it.
"""
