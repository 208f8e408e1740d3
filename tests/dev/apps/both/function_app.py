"""An app with one timer and one blob trigger, whose functions log their arguments."""
# ruff: noqa: INP001 - a function app is a folder, not a package

import json
import logging
import os

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp()
log = logging.getLogger("sample")
tries: dict[str, int] = {}


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%")
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def tick(timer: func.TimerRequest, context: func.Context) -> None:
    """Fail the first SAMPLE_TICK_FAILURES times."""
    status = json.dumps({"status": timer.schedule_status, "past_due": timer.past_due})
    retry = context.retry_context
    log.info("tick %s retry %d of %d", status, retry.retry_count, retry.max_retry_count)
    if retry.retry_count < int(os.environ.get("SAMPLE_TICK_FAILURES", "0")):
        raise RuntimeError("the tick fails")


@app.blob_trigger(arg_name="blob", path="%SAMPLE_CONTAINER%/in/{name}.csv", connection="SampleStorage")
def on_blob(blob: BlobClient) -> None:
    """Fail as often as the blob name says: `in/fails-2.csv` twice."""
    tries[blob.blob_name] = tries.get(blob.blob_name, 0) + 1
    log.info("on_blob %s in %s try %d", blob.blob_name, blob.container_name, tries[blob.blob_name])
    stem = blob.blob_name.removesuffix(".csv")
    if "fails-" in stem and tries[blob.blob_name] <= int(stem.rpartition("-")[2]):
        raise RuntimeError("the blob name asks for a failure")
