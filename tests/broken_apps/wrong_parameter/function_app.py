"""A timer whose function calls its parameter otherwise."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func

app = func.FunctionApp()


@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
def tick(clock: func.TimerRequest) -> None:
    """Never called."""
