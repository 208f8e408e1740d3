"""A timer whose schedule is a setting that nobody made."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func

app = func.FunctionApp()


@app.timer_trigger(arg_name="timer", schedule="%NO_SUCH_SETTING%")
def tick(timer: func.TimerRequest) -> None:
    """Never called."""
