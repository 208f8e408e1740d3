"""The function app: two triggers that call the pipeline, which does all the work."""

import logging
import secrets
from datetime import UTC, datetime

import azure.functions as func
from azurefunctions.extensions.bindings.blob import BlobClient

from pipeline.flow.sweep import sweep
from pipeline.flow.triggers import blob_source, context, report_settings, submit_blob, tick_of
from pipeline.log_lines import keep_one_line

app = func.FunctionApp()
log = logging.getLogger("fleet_scoring")
logging.getLogger("azure").setLevel(logging.WARNING)  # otherwise it logs each request to storage
keep_one_line()
report_settings()  # the app loads with invalid ones, too: each call fails and says what is wrong


@app.timer_trigger(arg_name="timer", schedule="%SCORING_SCHEDULE%", use_monitor=True, run_on_startup=False)
@app.retry(
    strategy="exponential_backoff",
    max_retry_count="3",
    minimum_interval="00:00:10",
    maximum_interval="00:05:00",
)
def score_on_timer(timer: func.TimerRequest) -> None:
    """Sweep: submit unclaimed landings, resume abandoned runs, retry failed ones."""
    tick = tick_of(timer.schedule_status, datetime.now(UTC))
    report = sweep(context(), tick, random_hex=secrets.token_hex(3))
    log.info("%s", report, extra={"run": report.run})


@app.blob_trigger(
    arg_name="blob",
    path="%SCORING_DATA_CONTAINER%/{name}",
    connection="ScoringStorage",
    source=func.BlobSource(blob_source()),
)
def score_on_blob(blob: BlobClient) -> None:
    """Submit a run for one blob, without reading it; if this raises, the host tries five times at once."""
    submission = submit_blob(context(), blob.container_name, blob.blob_name)
    log.info("%s", submission, extra={"run": submission.run})
