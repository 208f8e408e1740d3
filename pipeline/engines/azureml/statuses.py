"""Translates the statuses of jobs and steps in Azure ML into our states."""

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
    # It can recover; the SDK treats it as final nevertheless.
    "NotResponding": (RunState.RUNNING, StepState.RUNNING),
    "Unknown": (RunState.RUNNING, StepState.RUNNING),
    "Completed": (RunState.SUCCEEDED, StepState.SUCCEEDED),
    "Failed": (RunState.FAILED, StepState.FAILED),
    "Canceled": (RunState.CANCELED, StepState.CANCELED),
}
"""All statuses of the service. Only the last three are final."""


def states(status: object) -> tuple[RunState, StepState]:
    """Our states for a status of Azure ML; an unknown status is not final."""
    word = str(getattr(status, "value", status))
    if word not in TABLE:
        logger.warning("unknown Azure ML status %r: treated as running", word)
    return TABLE.get(word, TABLE["Running"])
