"""Readings to land and models to score them with: simulated and trained, or your own."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

READINGS = (".csv", ".csv.gz", ".parquet")

Say = Callable[[str], None]


class DemoError(Exception):
    """The demo cannot go on; the message says what, where, and what to do, in one line."""


@dataclass(frozen=True, slots=True)
class Landing:
    """A file, and the name that it gets as a blob."""

    file: Path
    name: str


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is scored, and with which models."""

    landings: Sequence[Landing]
    models: Path


def simulated_fleet(
    folder: Path, environment: Mapping[str, str], say: Say, *, devices: int = 3, sensors: int = 5
) -> Fleet:
    """Devices with their sensors: a day to learn from, and two batches of the day after."""
    history, first, second = folder / "history.csv", folder / "site-a.csv", folder / "site-b.csv"
    fleet = ("--devices", str(devices), "--sensors", str(sensors), "--interval", "1m")
    batch = (*fleet, "--readings", "720")
    say(f"Simulating {devices * sensors} sensors: a day to learn from, the day after to score ...")
    run_scoring(
        environment, "simulate", *fleet, "--readings", "1440", "--anomaly-rate", "0", "--out", history
    )
    run_scoring(environment, "simulate", *batch, "--start", "2026-01-02T00:00:00", "--out", first)
    run_scoring(environment, "simulate", *batch, "--start", "2026-01-02T12:00:00", "--out", second)
    say("Training a model for each sensor ...")
    run_scoring(environment, "train", "--data", history, "--models", folder / "models")
    landings = [Landing(first, "2026/01/02/site-a.csv"), Landing(second, "2026/01/02/site-b.csv")]
    return Fleet(landings, folder / "models")


@dataclass(frozen=True, slots=True)
class Given:
    """Your readings and, where you gave some, your models: both are there."""

    data: Path
    landings: Sequence[Landing]
    models: Path | None

    def fleet(self, folder: Path, environment: Mapping[str, str], say: Say) -> Fleet:
        """With your models, imported where they are legacy pickles, or with some trained on the readings."""
        if self.models is None:
            say(f"Training models on {self.data} itself: give MODELS to score with your own ...")
            run_scoring(environment, "train", "--data", self.data, "--models", folder / "models")
            return Fleet(self.landings, folder / "models")
        if any(self.models.glob("model_*.skops")):
            return Fleet(self.landings, self.models)
        say(f"Importing legacy models from {self.models}, running nothing of them ...")
        run_scoring(environment, "import-models", self.models, folder / "models")
        return Fleet(self.landings, folder / "models")


def given(data: Path, models: Path | None) -> Given:
    """Look for your readings, a file or a folder, and your models.

    Raises:
        DemoError: they are not there.
    """
    landings = _landings(data)
    if models is not None and not models.is_dir():
        raise DemoError(f"no folder {models}: MODELS should be a folder of models")
    return Given(data, landings, models)


def _landings(data: Path) -> list[Landing]:
    if data.is_file():
        return [Landing(data, data.name.lstrip("._") or "readings.csv")]
    if not data.is_dir():
        raise DemoError(f"no {data}: DATA should be a file of readings or a folder of them")
    files = sorted(file for file in data.rglob("*") if file.is_file() and file.name.endswith(READINGS))
    if not files:
        raise DemoError(f"no readings in {data}: expected files ending in {', '.join(READINGS)}")
    return [Landing(file, file.relative_to(data).as_posix()) for file in files]


def run_scoring(environment: Mapping[str, str], *arguments: str | Path) -> None:
    """Run one command of `python -m scoring`.

    Raises:
        DemoError: with what it complains about.
    """
    command = [sys.executable, "-m", "scoring", *map(str, arguments)]
    done = subprocess.run(
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise DemoError(f"{arguments[0]} failed: {words[-1] if words else f'exit code {done.returncode}'}")
