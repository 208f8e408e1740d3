"""The end of a run: counts, rejects, summary and the mark that says it is finished."""
