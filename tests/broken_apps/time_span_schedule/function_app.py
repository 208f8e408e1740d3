"""A timer with a time span, which is for App Service plans."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func

app = func.FunctionApp()


@app.timer_trigger(arg_name="timer", schedule="00:05:00")
def tick(timer: func.TimerRequest) -> None:
    """Never called."""
