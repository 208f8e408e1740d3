"""An app with a trigger that this host does not know."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", queue_name="work", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage) -> None:
    """Never called."""
