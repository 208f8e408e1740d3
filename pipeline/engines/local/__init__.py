"""The engine of one machine: a detached worker process for each run."""
