"""How Azure ML's words for where a job or a step stands become ours."""

import logging

from pipeline.engine import StepState
from pipeline.runs.record import RunState

logger = logging.getLogger("pipeline.azureml")

TABLE: dict[str, tuple[RunState, StepState]] = {
    # Azure ML's            a job            a step
    "NotStarted": (RunState.SUBMITTED, StepState.WAITING),
    "Starting": (RunState.SUBMITTED, StepState.WAITING),
    "Provisioning": (RunState.SUBMITTED, StepState.WAITING),
    "Preparing": (RunState.SUBMITTED, StepState.WAITING),
    "Queued": (RunState.SUBMITTED, StepState.WAITING),
    "Running": (RunState.RUNNING, StepState.RUNNING),
    "Finalizing": (RunState.RUNNING, StepState.RUNNING),
    "CancelRequested": (RunState.RUNNING, StepState.RUNNING),
    "Paused": (RunState.RUNNING, StepState.RUNNING),
    # It may come back; the SDK takes it for an end all the same.
    "NotResponding": (RunState.RUNNING, StepState.RUNNING),
    "Unknown": (RunState.RUNNING, StepState.RUNNING),
    "Completed": (RunState.SUCCEEDED, StepState.SUCCEEDED),
    "Failed": (RunState.FAILED, StepState.FAILED),
    "Canceled": (RunState.CANCELED, StepState.CANCELED),
}
"""All statuses of the service. Only the last three are final."""


def states(status: object) -> tuple[RunState, StepState]:
    """Our states for one of Azure ML's; a word that is new to us is no end."""
    word = str(getattr(status, "value", status))
    if word not in TABLE:
        logger.warning("Azure ML says %r, which is not known here: taken for running", word)
    return TABLE.get(word, TABLE["Running"])
