"""Imports what the steps of a pipeline, `score` and `collect`, import when they run.

On one machine, steps are forked from a process that has imported this once. Nothing is computed here: a
thread that arrow started would be missing in the forked process.
"""

import locale  # noqa: F401 - by argparse

import jinja2  # noqa: F401
import markupsafe  # noqa: F401
import msgspec  # noqa: F401

import scoring.cli
import scoring.collect.expected
import scoring.collect.finish
import scoring.commands.collect
import scoring.commands.score
import scoring.mapping_text
import scoring.readings.parquet
import scoring.shards
import scoring.step.leftovers
import scoring.step.predictions
import scoring.step.score  # noqa: F401
