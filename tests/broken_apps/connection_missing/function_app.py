"""A blob trigger whose connection nobody made."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp()


@app.blob_trigger(arg_name="blob", path="data/{name}", connection="NoSuchStorage")
def on_blob(blob: BlobClient) -> None:
    """Never called."""
