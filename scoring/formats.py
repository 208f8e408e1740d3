"""Stored formats: names of files, versions, columns, and the words for statuses. The one place for them.

`pipeline` and the report's script use it too, so it imports the standard library only. Stored documents
outlive the code that wrote them. To change a format: raise its version here, let its reader accept the old
one as well, and keep a sample of the old one under `tests/`.
"""

from enum import StrEnum

SUMMARY_JSON, SUMMARY_CSV = "summary.json", "summary.csv"
REJECTS_CSV = "rejects.csv"
REPORT_HTML, INDEX_HTML = "report.html", "index.html"
MANIFEST_JSON = "manifest.json"
SUCCESS = "_SUCCESS"
"""Written last: a folder of predictions without it is not finished."""

SUMMARY_LINE = f"SHA-256 of {SUMMARY_JSON}: "
"""Begins the last line of `collect` as a step: whoever can change a summary cannot change that log."""

OUTCOMES_FOLDER = "_steps"
"""Below a run's predictions: the outcome of each step as a JSON file."""

BOUNDARIES_JSON = "boundaries.json"
"""What each sensor's model calls normal: a report that has no models reads it."""

PACK_NAME = "models.parquet"

EXPECTED_TXT = "expected.txt"
"""Beside the models: the sensors that should send readings, one `1_3` or `device,sensor` a line."""

SUMMARY_VERSION = 1
OUTCOME_VERSION = 1
MANIFEST_VERSION = 1
FACTS_VERSION = 1
"""What `python -m scoring report --facts` reads."""
ROWS_VERSION = 1
"""What `python -m scoring index --rows` reads."""
BOUNDARIES_VERSION = 1

READING_COLUMNS = ("TS", "Device", "Sensor", "Value")
PREDICTION_COLUMNS = ("TS", "Device", "Sensor", "Val", "Prediction", "Score")
REJECT_COLUMNS = ("file", "line", "reason", "device", "sensor", "text", "kind", "hint")
SUMMARY_COLUMNS = (
    "device",
    "sensor",
    "status",
    "reason",
    "readings",
    "rejected",
    "anomalies",
    "first",
    "last",
    "worst",
    "model",
    "file",
)


MAX_REJECTED = 0.01
"""Up to this share of a landing's rows can be rejected in a run that succeeds, unless another is given."""


class RunOutcome(StrEnum):
    """The result of a run, as `state` in its summary."""

    SUCCEEDED = "succeeded"
    PARTLY = "partly"
    """Something was scored; a sensor or a landing was not, or too many rows of a landing were rejected."""
    FAILED = "failed"
    """Nothing was scored, though there was something to score."""


class RejectKind(StrEnum):
    """Why a row is not a reading; rejects are grouped by it."""

    TIMESTAMP = "timestamp"
    VALUE = "value"
    NOT_FINITE = "not-finite"
    MISSING = "missing"
    """Its TS or its Value is empty."""
    DEVICE = "device"
    SENSOR = "sensor"
    ENCODING = "encoding"
    COLUMNS = "columns"
    QUOTE = "quote"
    TOO_LONG = "too-long"


class SensorStatus(StrEnum):
    """The result of a sensor in a run."""

    SCORED = "scored"
    FAILED = "failed"
    NO_MODEL = "no-model"
    NO_READINGS = "no-readings"
    SILENT = "silent"
    """It is an expected sensor, and sent no readings."""
    MISSING = "missing"
    """There are readings and a model, but no step wrote a result."""


NOT_SCORED = frozenset({SensorStatus.FAILED, SensorStatus.MISSING, SensorStatus.NO_MODEL})
"""Statuses of a sensor that has readings and was not scored."""

WITHOUT_READINGS = frozenset({SensorStatus.NO_READINGS, SensorStatus.SILENT})
"""Statuses of a sensor that has no readings: nothing is known of it, so it is never called normal."""


class LandingStatus(StrEnum):
    """How a landing was found when a step read it and, in the summary, whether its rows were rejected."""

    READ = "read"
    PARTLY_REJECTED = "partly-rejected"
    """More of its rows were rejected than a run that succeeds can have."""
    ALL_REJECTED = "all-rejected"
    SUPERSEDED = "superseded"
    """Replaced since its run was created; the new version is a landing of its own."""
    VANISHED = "vanished"
    """Deleted since its run was created."""
    UNREADABLE = "unreadable"
    """Storage refuses to read it, or it is not a file of readings."""
    REFUSED = "refused"
    """Its name is not a path below the data folder."""


NOT_READ = frozenset({LandingStatus.UNREADABLE, LandingStatus.REFUSED})
"""Statuses of a landing that exists and could not be read."""

WAS_READ = frozenset({LandingStatus.READ, LandingStatus.PARTLY_REJECTED, LandingStatus.ALL_REJECTED})
"""Statuses of a landing whose rows were read."""

GONE = frozenset({LandingStatus.SUPERSEDED, LandingStatus.VANISHED})
"""Statuses of a landing that no longer exists, which is not a failure."""
