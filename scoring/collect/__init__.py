"""The end of a run: rejects, summary, report and the mark that it is finished."""
