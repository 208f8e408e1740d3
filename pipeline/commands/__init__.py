"""The sub-commands of `python -m pipeline`, one module each: `add_arguments(parser)` and `run(args)`."""
