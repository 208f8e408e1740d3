"""Output on a terminal: tables, progress bars, watching a run."""
