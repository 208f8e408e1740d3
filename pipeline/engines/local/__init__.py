"""The engine for one machine: a detached worker process for each run."""
