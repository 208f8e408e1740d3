"""The limits in the operations guide are those of the code."""

import argparse
import re
from pathlib import Path

from pipeline.engines.local import worker
from pipeline.flow import deferred
from pipeline.settings import Settings
from scoring import keys
from scoring.collect import rejects
from scoring.commands import limits
from scoring.legacy import compression
from scoring.models import files as model_files
from scoring.models import skops
from scoring.readings import csv_header, files, parquet_texts
from scoring.step import history_limit, predictions, sensor_limit

GUIDE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
TABLE = {
    cells[1].strip(): cells[2]
    for cells in (
        line.split("|") for line in GUIDE.partition("## Limits")[2].partition("\n## ")[0].splitlines()
    )
    if len(cells) == 5
}
MB = 1 << 20


def numbers(row: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"[0-9][0-9,]*", TABLE[row])]


def test_the_documented_limits_of_files_are_those_of_the_code():
    assert numbers("first line of CSV") == [csv_header.MAX_HEADER_BYTES // MB, csv_header.MAX_COLUMNS]
    assert numbers("columns of Parquet") == [csv_header.MAX_COLUMNS]
    assert numbers("rejected rows of a landing in `rejects.csv`") == [rejects.MOST_REJECTS]
    assert numbers("sensors without a model in a summary") == [sensor_limit.MOST_UNKNOWN]
    least = history_limit.LEAST
    assert numbers("days of a step's sensors in `days.csv`") == [history_limit.MOST_DAYS, least]
    assert numbers("episodes of a step in `episodes.csv`") == [
        history_limit.MOST_EPISODES,
        history_limit.MOST_ANOMALIES,
        least,
    ]
    assert numbers("days with rejects of a sensor in `days.csv`") == [history_limit.MOST_DAYS]
    assert numbers("text in Parquet") == [parquet_texts._LONGEST_TEXT]
    assert numbers("model, compressed or not") == [model_files.MOST_BYTES // MB]
    assert numbers("model, compressed or not") == [skops.MOST_ARRAY_BYTES // MB]
    assert numbers("legacy model, compressed or not") == [compression.MOST_BYTES // MB]
    assert numbers("Device, Sensor") == [keys.MAX_KEY_PART, keys.MAX_ENCODED_KEY]
    assert predictions.BUFFER_BYTES // MB in numbers("memory of a step")
    assert worker.LONGEST_LOG // MB in numbers("log of a step")
    assert numbers("landings that wait in one process") == [deferred.MOST, deferred.AT_ONCE]


def test_the_documented_defaults_of_limits_are_those_of_the_settings():
    settings = Settings.from_environment({"ScoringStorage": "UseDevelopmentStorage=true"})
    assert numbers("sensors with a step each") == [settings.max_steps]
    assert numbers("active runs") == [settings.max_active_runs]
    minutes = settings.step_time_limit.total_seconds() / 60
    assert numbers("time and tries of a step") == [minutes, settings.step_tries]
    assert numbers("tries of a run") == [settings.max_tries]
    assert numbers("row of CSV") == [settings.max_row_mb]
    assert numbers("compressed readings, unpacked") == [settings.max_unpacked_mb]
    assert files.FileLimits() == (settings.max_row_mb * MB, settings.max_unpacked_mb * MB)
    parser = argparse.ArgumentParser()
    limits.add_limits(parser)
    assert limits.limits_of(parser.parse_args([])) == files.FileLimits()
