"""A blob trigger for a container, and no blobs in it."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp()


@app.blob_trigger(arg_name="blob", path="data", connection="AzureWebJobsStorage")
def on_blob(blob: BlobClient) -> None:
    """Never called."""
