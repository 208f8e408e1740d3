"""Asking a run to stop, however far it has come."""

from pipeline.errors import UsageError
from pipeline.flow.context import Context
from pipeline.flow.submit import take_up
from pipeline.pages.index import renew
from pipeline.runs.store import RunState


def cancel(context: Context, run: str) -> str:
    """Ask a run to stop; returns what came of it, in one line.

    Raises:
        UnknownRun: there is no such run.
        UsageError: it is over, and will not be tried again.
        EngineError: its engine cannot be asked.
    """
    record = context.runs.load(run)
    if record.state.final:
        if not (record.state is RunState.FAILED and record.retry and context.runs.is_marked(run)):
            raise UsageError(f"run {run} is {record.state} already")
        context.runs.request_cancel(run)
        return f"run {run} has failed, and is not tried again"
    context.check_engine(record)
    context.runs.request_cancel(run)
    if record.state is RunState.PENDING:
        take_up(context, record)  # which finds that it is to be canceled
        record = context.runs.load(run)
    if not record.state.final:  # whoever submits it was faster
        context.engine.cancel(run)
    renew(context.store, context.settings.late_sweep)  # it may be over at once
    return f"run {run} is asked to stop"
