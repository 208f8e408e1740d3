"""An app with one timer and one blob trigger, whose functions say what they were given."""

import json
import logging

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

app = func.FunctionApp()
log = logging.getLogger("sample")
tries: dict[str, int] = {}


@app.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%")
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def tick(timer: func.TimerRequest, context: func.Context) -> None:
    """Fails while SAMPLE_FAILURES says so."""
    log.info("tick %s", json.dumps({"status": timer.schedule_status, "past_due": timer.past_due}))
    log.info("retry %d of %d", context.retry_context.retry_count, context.retry_context.max_retry_count)


@app.blob_trigger(arg_name="blob", path="%SAMPLE_CONTAINER%/in/{name}.csv", connection="SampleStorage")
def landed(blob: BlobClient) -> None:
    """Fails as often as the name says: `in/fails-2.csv` twice."""
    tries[blob.blob_name] = tries.get(blob.blob_name, 0) + 1
    log.info("landed %s in %s, try %d", blob.blob_name, blob.container_name, tries[blob.blob_name])
    stem = blob.blob_name.removesuffix(".csv")
    if "fails-" in stem and tries[blob.blob_name] <= int(stem.rpartition("-")[2]):
        raise RuntimeError("as its name says")
