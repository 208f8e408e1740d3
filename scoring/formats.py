"""Stored formats: names of files, versions, columns, and the words for statuses. The one place for them.

`pipeline` and the report's script use it too, so it imports the standard library only. Stored documents
outlive the code that wrote them. To change a format: raise its version here, let its reader accept the old
one as well, and keep a sample of the old one under `tests/`.
"""

from enum import StrEnum

SUMMARY_JSON, SUMMARY_CSV = "summary.json", "summary.csv"
REJECTS_CSV = "rejects.csv"
EPISODES_CSV, DAYS_CSV = "episodes.csv", "days.csv"
"""Both have no version: readers go by the names of columns. A change of meaning takes a new name."""

REPORT_HTML, INDEX_HTML, FLEET_HTML = "report.html", "index.html", "fleet.html"
MANIFEST_JSON = "manifest.json"
SUCCESS = "_SUCCESS"
"""Written last: a folder of predictions without it is not finished."""

SUMMARY_LINE = f"SHA-256 of {SUMMARY_JSON}: "
"""Begins the last line of `collect` as a step: someone who can change a summary cannot change that log."""

OUTCOMES_FOLDER = "_steps"
"""Below a run's predictions: the outcome of each step as a JSON file."""

FLEET_STATE = "_fleet/state.json.gz"
"""In the preds container: what all finished runs together say about each sensor."""

BOUNDARIES_JSON = "boundaries.json"
"""What each sensor's model calls normal: a report that has no models reads it."""

PACK_NAME = "models.parquet"

EXPECTED_TXT = "expected.txt"
"""Beside the models: the sensors that should send readings, one `1_3` or `device,sensor` a line."""

BESIDE_MODELS = frozenset({PACK_NAME, EXPECTED_TXT})
"""Files in a folder of models that are used and are not models."""

SUMMARY_VERSION = 1
OUTCOME_VERSION = 1
MANIFEST_VERSION = 1
FACTS_VERSION = 1
"""What `python -m scoring report --facts` reads."""
BOUNDARIES_VERSION = 1
FLEET_VERSION = 1
"""The state of a fleet, which `python -m scoring fleet` reads."""
FLEET_MOST_BYTES = 1 << 30
"""Unpacked: ten times the state of 20,000 sensors; more is not a state but an attack."""

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


EPISODE_COLUMNS = (
    "Device",
    "Sensor",
    "start",
    "end",
    "readings",
    "peak_TS",
    "peak_Value",
    "peak_score",
    "direction",
    "gap_s",
    "last_reading",
)
DAY_COLUMNS = (
    "Device",
    "Sensor",
    "date",
    "readings",
    "anomalies",
    "rejected",
    "first_reading",
    "last_reading",
    "last_anomaly",
)

GAP_INTERVALS = 6
"""Anomalies up to this many intervals of their sensor apart are one episode, unless a gap is given."""

LEAST_EPISODE = 2
"""Anomalies that make an episode worth reporting, unless another number is given."""

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


class Direction(StrEnum):
    """Where the readings of an episode lie."""

    HIGH = "high"
    """All of them are above every normal reading of the sensor in the run."""
    LOW = "low"
    MIXED = "mixed"
    """Neither, or no reading of the sensor is normal."""


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
