"""How the log lines begin that an operator's alerts wait for: infra/modules/alerts.bicep, and tests compare.

A line begins with one of these, and names from outside come after it: no name of a blob raises an alert.
"""

SWEEP_FINISHED = "sweep finished:"
"""Its absence is the alarm: an app that does not run cannot log that it does not."""
EVENTS_MISSING = "events are not arriving:"
RUN_FAILED = "run failed for good:"
