"""The sub-commands of `python -m scoring`, one module each, with `add_arguments(parser)` and `run(args)`."""
