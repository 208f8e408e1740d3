"""A timer on the 30th of February."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func

app = func.FunctionApp()


@app.timer_trigger(arg_name="timer", schedule="0 0 0 30 2 *")
def tick(timer: func.TimerRequest) -> None:
    """Never called."""
