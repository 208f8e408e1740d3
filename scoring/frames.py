"""DataFrames in and out, for notebooks: score readings, read a run, train models.

The code is that of the commands: a frame is written as a Parquet file, which is read and scored like any
other, so the answers are the same.
"""

import tempfile
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scoring.errors import ReadingsError, UsageError
from scoring.formats import (
    EPISODES_CSV,
    MAX_REJECTED,
    PREDICTION_COLUMNS,
    REJECTS_CSV,
    SUMMARY_CSV,
    SUMMARY_JSON,
    SUMMARY_VERSION,
)
from scoring.frame_readings import FRAME, GivenMapping, GivenReadings, opened_readings
from scoring.json_files import Document
from scoring.keys import PREDS_PREFIX, PREDS_SUFFIX, SensorKey
from scoring.printable import counted, original

if TYPE_CHECKING:
    from scoring.readings.files import FoundLanding

_NUMBERS = {"Val": "float64", "Prediction": "int64", "Score": "float64"}
_TEXTS = {"device": "str", "sensor": "str", "Device": "str", "Sensor": "str"}


@dataclass(frozen=True, slots=True)
class _Head:
    """The part of a summary that is not a table."""

    state: str
    reasons: list[str]
    totals: dict[str, int]


_KEYS = frozenset({"Device", "Sensor", "device", "sensor"})
_HEAD = Document(_Head, SUMMARY_VERSION, "the summary of a run", "score or collect again")


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """The results of a run as DataFrames, with the columns of its files."""

    state: str
    """`succeeded`, `partly` or `failed`."""
    reasons: list[str]
    """Why it did not succeed, the most serious first."""
    totals: Mapping[str, int]
    predictions: pd.DataFrame
    """TS, Device, Sensor, Val, Prediction (1 = anomaly) and Score, sensor by sensor.

    Device and Sensor are texts, Val and Score float64, Prediction int64. TS is a text, as it came; `score`
    gives it the type that it has in its frame.
    """
    summary: pd.DataFrame
    """A row per sensor, also those that were not scored."""
    rejects: pd.DataFrame
    """A row per reading that cannot be scored; `line` is its place in the frame or file, from 1."""
    episodes: pd.DataFrame | None
    """A row per group of anomalies; None where the run has no file of them."""

    def __repr__(self) -> str:
        scored, readings, anomalies, rejected = (
            self.totals.get(name, 0) for name in ("scored", "readings", "anomalies", "rejected")
        )
        return (
            f"<Run {self.state}: {scored:,} of {readings:,} readings scored, {anomalies:,} anomalies, "
            f"{counted(rejected, 'row')} rejected>"
        )


def score(
    readings: GivenReadings,
    models: str | PathLike[str],
    *,
    mapping: GivenMapping = "",
    out: str | PathLike[str] | None = None,
    max_rejected: float = MAX_REJECTED,
    expected: Collection[tuple[str, str]] = (),
) -> Run:
    """Score readings with the models of a folder, as `python -m scoring score` does.

    Args:
        readings: a frame with the columns TS, Device, Sensor and Value, of which others are ignored; or the
            path of a file or of a folder of files.
        models: a folder of `model_{device}_{sensor}.skops` files.
        mapping: how readings with other columns are read: what `--mapping` takes, or its JSON as a dict.
        out: a folder for the files of the run, report.html among them; without one they are not kept.
        max_rejected: share of the rows that can be rejected in a run that succeeds.
        expected: device and sensor of those that should have sent readings.

    Raises:
        ReadingsError: the frame has no such columns, or they have other types; or a folder has no file.
        UsageError: there is no such file or folder, or no model in it, or the mapping is invalid.
        OutputError: `out` cannot be written.
    """
    from scoring.collect.summary import Rules
    from scoring.collect.whole_run import score_everything
    from scoring.models.store import ModelStore

    store = ModelStore(Path(models))
    store.require_models()
    rules = Rules(max_rejected, frozenset(SensorKey(*key) for key in expected))
    with opened_readings(readings, mapping) as opened, tempfile.TemporaryDirectory() as folder:
        to = Path(folder) if out is None else Path(out)
        run, replaced = score_everything(
            opened.sources,
            opened.not_read,
            store,
            to,
            run=None,
            rules=rules,
            report_unreadable=_raise_if_frame,
            results_of=lambda new, _: read_run(new),
        )
    kept = None if replaced else f"nothing was scored: {to} keeps its earlier results"
    for notice in filter(None, (store.notice, store.last_notice, kept)):
        warnings.warn(notice, stacklevel=2)
    return run if opened.ts is None else _with_moments(run, opened.ts)


def read_run(folder: str | PathLike[str]) -> Run:
    """Read the folder of a run: what `score` wrote, or `python -m pipeline download` fetched.

    Raises:
        UsageError: there is no summary in this folder.
        ScoringError: the summary cannot be read.
    """
    where = Path(folder)
    try:
        head = _HEAD.read(where / SUMMARY_JSON)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{where} is not the folder of a run: it has no {SUMMARY_JSON}. Give the folder that score --out "
            "wrote, or out/RUN after python -m pipeline download RUN"
        ) from error
    files = sorted(where.glob(f"{PREDS_PREFIX}*{PREDS_SUFFIX}"))
    types = {**dict.fromkeys(PREDICTION_COLUMNS, "str"), **_NUMBERS}
    predictions = [_read(file, types) for file in files]
    if not predictions:
        columns = {name: pd.Series(dtype=types[name]) for name in PREDICTION_COLUMNS}
        predictions = [pd.DataFrame(columns)]
    episodes = where / EPISODES_CSV
    return Run(
        state=head.state,
        reasons=head.reasons,
        totals=head.totals,
        predictions=pd.concat(predictions, ignore_index=True),
        summary=_read(where / SUMMARY_CSV, _TEXTS),
        rejects=_read(where / REJECTS_CSV, {**_TEXTS, "file": "str", "text": "str", "hint": "str"}),
        episodes=_read(episodes, _TEXTS) if episodes.is_file() else None,
    )


def train(
    readings: GivenReadings,
    models: str | PathLike[str],
    *,
    mapping: GivenMapping = "",
    nu: float = 0.0001,
    gamma: float = 0.01,
    min_readings: int = 50,
    max_readings: int = 10_000,
    jobs: int = 1,
) -> pd.DataFrame:
    """Train a model for each sensor of some readings, as `python -m scoring train` does.

    Args:
        readings: normal readings, as for `score`.
        models: the folder of the models, created if it does not exist; models of other sensors in it stay.
        mapping: as for `score`.
        nu: approximate share of the readings outside the boundary.
        gamma: how closely the boundary follows the readings.
        min_readings: sensors with fewer are skipped.
        max_readings: of a sensor with more, every 2nd, 3rd, ... is used.
        jobs: processes that train at the same time; with more than 1, a script needs a `__main__` guard.

    Returns:
        A row per sensor: device, sensor, readings, and `skipped`, the reason why it has no new model.

    Raises:
        ReadingsError: the frame has no such columns, or they have other types; or a file cannot be read.
        UsageError: scikit-learn or skops is not installed, there is no such file, or the mapping is invalid.
        ValueError: nu, gamma or a number of readings is out of range.
    """
    from scoring.tools.train import Recipe, Samples, check_packages
    from scoring.tools.train import train as train_samples

    check_packages()
    recipe, samples = Recipe(nu, gamma, min_readings), Samples(max_readings)
    with opened_readings(readings, mapping) as opened:
        samples.count(opened.batches())
        samples.keep(opened.batches())
    if rejected := opened.rejected:
        warnings.warn(f"{counted(rejected, 'row')} rejected: score them to see why", stacklevel=2)
    trained = {each.key: each.skipped for each in train_samples(samples, recipe, Path(models), jobs)}
    rows = [(*key, samples.counts[key], trained[key]) for key in sorted(trained)]
    return pd.DataFrame(rows, columns=["device", "sensor", "readings", "skipped"])


def _raise_if_frame(unreadable: "list[FoundLanding]") -> None:
    """A frame of other columns is an error; a file is a reason why its run did not succeed."""
    for found in unreadable:
        if found.name == FRAME:
            raise ReadingsError(str(found.reason))


def _with_moments(run: Run, ts: Any) -> Run:
    """`run` with TS in the type of the column `ts`, if that has timestamps."""
    if not pd.api.types.is_datetime64_any_dtype(ts.dtype):
        return run
    moments = pd.to_datetime(run.predictions["TS"], format="ISO8601", utc=True)
    zone = getattr(ts.dtype, "tz", None)
    moments = moments.dt.tz_convert(zone) if zone is not None else moments.dt.tz_localize(None)
    run.predictions["TS"] = moments.astype(ts.dtype)
    return run


def _read(path: Path, types: Mapping[str, str]) -> pd.DataFrame:
    """A CSV file; texts such as `NA` are not missing values; keys are those of the readings."""
    columns = pd.read_csv(path, nrows=0).columns
    blank = {name: [""] for name in columns if types.get(name) != "str"}
    frame = pd.read_csv(path, dtype=dict(types), keep_default_na=False, na_values=blank)
    for name in _KEYS.intersection(columns):
        if frame[name].str.startswith("'").any():
            frame[name] = frame[name].map(original).astype(frame[name].dtype)
    return frame
