"""A blob trigger that wants the content and not the client."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func

app = func.FunctionApp()


@app.blob_trigger(arg_name="blob", path="data/{name}", connection="AzureWebJobsStorage")
def on_blob(blob: func.InputStream) -> None:
    """Never called."""
