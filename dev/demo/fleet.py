"""The demo's readings and models: simulated and trained, or your own."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scoring import InvalidKey, SensorKey, describe_others
from scoring.keys import MODEL_SUFFIX

if TYPE_CHECKING:
    from scoring.mapping import Mapping as ReadingsMapping

_REFUSED = ("refused ", "error: ", "skipped ")
"""How lines of commands begin that say what is wrong with single models or sensors."""

_OPTION = re.compile(r"""--mapping ((?:'[^']*'|"[^"]*"|[^\s'"])+)""")

READINGS = (".csv", ".csv.gz", ".tsv", ".parquet")

Log = Callable[[str], None]
"""Prints a line for the user."""


class DemoError(Exception):
    """The demo cannot continue; the message says what, where and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Landing:
    """A file of readings and the name of its blob."""

    file: Path
    name: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """The readings to score and their models."""

    landings: Sequence[Landing]
    models: Path


def simulated_fleet(
    folder: Path, environment: Mapping[str, str], log: Log, *, devices: int = 3, sensors: int = 5
) -> Fleet:
    """Simulate one day of readings to train on and two batches of the next day, and train the models."""
    history, first, second = folder / "history.csv", folder / "site-a.csv", folder / "site-b.csv"
    fleet = ("--devices", str(devices), "--sensors", str(sensors), "--interval", "1m")
    batch = (*fleet, "--readings", "720")
    log(f"Simulating {devices * sensors} sensors: one day to train on, the next day to score ...")
    run_scoring(
        environment, "simulate", *fleet, "--readings", "1440", "--anomaly-rate", "0", "--out", history
    )
    run_scoring(environment, "simulate", *batch, "--start", "2026-01-02T00:00:00", "--out", first)
    run_scoring(environment, "simulate", *batch, "--start", "2026-01-02T12:00:00", "--out", second)
    log("Training a model for each sensor ...")
    run_scoring(environment, "train", "--data", history, "--models", folder / "models")
    landings = [Landing(first, "2026/01/02/site-a.csv"), Landing(second, "2026/01/02/site-b.csv")]
    return Fleet(landings, folder / "models")


@dataclass(frozen=True, slots=True)
class UserInput:
    """The user's readings and, optionally, models; both exist."""

    data: Path
    landings: Sequence[Landing]
    models: Path | None
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why a landing has no readings, by its name."""
    mapping: str = ""

    def fleet(self, folder: Path, environment: Mapping[str, str], log: Log) -> Fleet:
        """Use the user's models, importing legacy pickles, or train models on the readings."""
        if self.models is None:
            log(f"Training models on {self.data} itself: set MODELS to score with your own ...")
            data = self.data if not self.problems else _copied(self.landings, self.problems, folder / "train")
            how = ("--mapping", self.mapping) if self.mapping else ()
            run_scoring(environment, "train", "--data", data, "--models", folder / "models", *how)
            return Fleet(self.landings, folder / "models")
        names = sorted(path.name for path in self.models.iterdir())
        if any(map(_is_model, names)):
            for line in describe_others(names, str(self.models)):
                log(f"In {self.models}: {line}.")
            return Fleet(self.landings, self.models)
        log(f"Importing legacy models from {self.models} without running their code ...")
        try:
            run_scoring(environment, "import-models", self.models, folder / "models")
        except DemoError as error:
            what = "import these models yourself, or remove the refused ones from MODELS"
            raise DemoError(f"{error}; {what}") from error
        return Fleet(self.landings, folder / "models")


def find_input(data: Path, models: Path | None, mapping: str = "") -> UserInput:
    """Find the user's readings, a file or a folder, and the folder of models; read each file once.

    `mapping` says how the files are read.

    Raises:
        DemoError: one of them does not exist, no file has readings, or the mapping is invalid.
    """
    from scoring.mapping import InvalidMapping
    from scoring.mapping_text import parse

    landings: list[Landing] = []
    refused: list[str] = []
    try:
        mappings = parse(mapping)
    except InvalidMapping as error:
        refused.append(f"MAPPING: {str(error).removeprefix('mapping: ')}")
    try:
        landings = _landings(data)
    except DemoError as error:
        refused.append(str(error))
    if models is not None and (problem := _no_models(models)):
        refused.append(problem)
    if refused:
        raise DemoError("; ".join(refused))
    filled = (landing for landing in landings if landing.file.stat().st_size)
    found = ((landing.name, _problem(landing, mappings.of(landing.name))) for landing in filled)
    problems = {name: for_make(problem) for name, problem in found if problem}
    if len(problems) == len(landings):
        raise DemoError(f"nothing can be scored: {next(iter(problems.values()))}")
    return UserInput(data, landings, models, problems, mapping)


def for_make(text: str) -> str:
    """A message of `scoring` or `pipeline` with the option for a mapping as `make run` takes it."""
    return _OPTION.sub(lambda found: f"MAPPING={found[1].replace('$', '$$')}", text)


def _no_models(folder: Path) -> str | None:
    """Why a folder has no models, also not legacy ones."""
    from scoring.model_names import may_be_legacy

    if not folder.is_dir():
        return f"no folder {folder}: MODELS must be a folder of models"
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    is_skops = [name for name in names if name.endswith(MODEL_SUFFIX)]
    if any(_is_model(name) for name in is_skops) or any(map(may_be_legacy, set(names).difference(is_skops))):
        return None
    found = "; ".join(describe_others(names)) or "it has no files"
    return f"no models in {folder}: {found}"


def _is_model(name: str) -> bool:
    try:
        SensorKey.from_model_name(name)
    except InvalidKey:
        return False
    return True


def _problem(landing: Landing, mapping: "ReadingsMapping") -> str | None:
    """Why a file has no readings: it cannot be read, or all of its rows are rejected."""
    from scoring.errors import ReadingsError
    from scoring.readings.files import Source, read_batches
    from scoring.readings.hints import in_brackets

    readings, rejected, first = 0, 0, ""
    try:
        for batch in read_batches(Source(landing.name, landing.file, mapping=mapping)):
            readings += len(batch.codes)
            if batch.rejects.num_rows and not rejected:
                row = batch.rejects.slice(0, 1).to_pylist()[0]
                first = f"line {row['line']}: {row['reason']}{in_brackets(row['kind'], row['hint'])}"
            rejected += batch.rejects.num_rows
    except ReadingsError as error:
        text = str(error)
        return text if text.startswith(landing.name) else f"{landing.name}: {text}"
    if rejected and not readings:
        return f"{landing.name}: all of its rows ({rejected:,}) are rejected, the first is {first}"
    return None


def _copied(landings: Sequence[Landing], problems: Container[str], folder: Path) -> Path:
    """A folder with copies of the landings that have readings: training stops at any other file."""
    for landing in landings:
        if landing.name not in problems:
            (folder / landing.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(landing.file, folder / landing.name)
    return folder


def _landings(data: Path) -> list[Landing]:
    if data.is_file():
        return [Landing(data, data.name.lstrip("._") or "readings.csv")]
    if not data.is_dir():
        raise DemoError(f"{data} does not exist: DATA must be a file or a folder of readings")
    files = sorted(file for file in data.rglob("*") if file.is_file() and file.name.endswith(READINGS))
    if not files:
        raise DemoError(f"no readings in {data}: expected files ending in {', '.join(READINGS)}")
    return [Landing(file, file.relative_to(data).as_posix()) for file in files]


def run_scoring(environment: Mapping[str, str], *arguments: str | Path) -> None:
    """Run one command of `python -m scoring`.

    Raises:
        DemoError: with the command's error message.
    """
    command = [sys.executable, "-m", "scoring", *map(str, arguments)]
    done = subprocess.run(
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = done.stderr.strip().splitlines()
        for line in errors[:-1]:
            if line.startswith(_REFUSED):
                print(line, file=sys.stderr, flush=True)
        raise DemoError(f"{arguments[0]} failed: {errors[-1] if errors else f'exit code {done.returncode}'}")
