"""An app whose functions log their calls, and do what the blob's name asks for."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import importlib
import json
import logging
import os
import re
import time

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp()
log = logging.getLogger("probe")


def act(function: str, blob: BlobClient) -> None:
    """Log the call; fail, sleep or die as the name requests."""
    log.info("called %s", json.dumps([function, blob.container_name, blob.blob_name]))
    if found := re.search(r"sleeps-([0-9.]+)", blob.blob_name):
        time.sleep(float(found[1]))
        log.info("slept %s", blob.blob_name)
    if "dies" in blob.blob_name:
        os._exit(7)
    if "prints" in blob.blob_name:
        print("printed", blob.blob_name)
    if "fails" in blob.blob_name:
        raise RuntimeError(f"it fails as its name says: {blob.blob_name}")


@app.blob_trigger(arg_name="blob", path="%PROBE_CONTAINER%/{name}", connection="ProbeStorage")
def scanned(blob: BlobClient) -> None:
    """Called for what a scan finds."""
    act("scanned", blob)


@app.blob_trigger(
    arg_name="blob",
    path="%PROBE_CONTAINER%/in/{name}.csv",
    connection="ProbeStorage",
    source=func.BlobSource.EVENT_GRID,
)
def notified(blob: BlobClient) -> None:
    """Called for what an event names."""
    act("notified", blob)


@app.timer_trigger(arg_name="timer", schedule="%PROBE_SCHEDULE%")
def imports(timer: func.TimerRequest) -> None:
    """Say which modules of PROBE_IMPORTS can be imported."""
    found = {}
    for name in os.environ.get("PROBE_IMPORTS", "").split():
        try:
            importlib.import_module(name)
            found[name] = ""
        except ModuleNotFoundError as error:
            found[name] = str(error)
    log.info("imports %s", json.dumps([timer.schedule_status, found]))
