"""The sub-commands of `python -m scoring`, one module each: `add_arguments(parser)` and `run(args)`."""
