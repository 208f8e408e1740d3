"""The main job on this machine, from nothing to predictions, in one command: `make run`.

It sets the stage (Azurite, a small fleet or your own, a published pipeline, the function app in a host),
lets readings land, and shows what happens: the blob trigger submits a run, its steps score each sensor,
and the timer sweeps up a landing whose event never came. Everything ends with it.
"""
