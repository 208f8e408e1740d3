"""Cancelling a run, in any state that is not final."""

from pipeline.errors import InvalidRequest
from pipeline.flow.context import Context
from pipeline.flow.submit import resume
from pipeline.pages.index import update_index
from pipeline.runs.record import RunState


def cancel(context: Context, run: str) -> str:
    """Request that a run stops; returns the result in one line.

    Raises:
        UnknownRun: there is no such run.
        InvalidRequest: it has finished, and will not be retried.
        EngineError: its engine does not respond.
    """
    record = context.runs.load(run)
    if record.state.final:
        if not (record.awaits_retry and context.runs.markers.exists(run)):
            raise InvalidRequest(f"run {run} has ended already: {record.state}")
        context.runs.request_cancel(run)
        what = "has failed" if record.state is RunState.FAILED else "has lost steps"
        return f"run {run} {what}, and will not be retried"
    context.check_engine(record)
    context.runs.request_cancel(run)
    if record.state is RunState.PENDING:
        resume(context, record)  # which finds the cancellation
        record = context.runs.load(run)
    if not record.state.final:  # otherwise another process has submitted and finished it
        context.engine.cancel(record)
    update_index(context.store, context.settings.late_sweep, context.clock())  # it can finish at once
    return f"run {run} was asked to stop"
