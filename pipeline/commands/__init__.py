"""The sub-commands of `python -m pipeline`, a module each: `add_arguments(parser)` and `run(args)`."""
