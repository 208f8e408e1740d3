"""Stored formats have a version each: a document of another one is refused by name, never misread."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scoring import formats
from scoring.errors import ScoringError
from scoring.readings.manifest import RunManifest
from scoring.report import findings
from scoring.report.boundary_file import read_boundaries
from scoring.report.facts import RunFacts
from scoring.report.findings import UNSCORED_CELLS
from scoring.report.fleet_state import FleetState
from scoring.report.folder import Folder
from scoring.step.outcome import read_outcomes

TOTALS = ",".join(
    f'"{name}": 0'
    for name in (
        "readings", "scored", "rejected", "anomalies", "sensors", "sensors_scored", "sensors_failed",
        "sensors_without_model", "sensors_missing", "models_without_readings", "landings", "landings_read",
    )
)  # fmt: skip

FLEET_STATE = """
{"version": 1, "runs": [], "outbox": [], "sensors": [{"device": "1", "sensor": "2", "interval_s": 5,
 "model": null, "episodes": [{"id": "x", "start": "2026-01-01T00:00:00Z",
               "end": "2026-01-01T00:01:00Z", "readings": 9, "state": "open", "run": "a"}],
 "days": [["2026-01-01", 720, 9, 0, "a"]]}]}
"""

STORED: dict[str, tuple[Path, str, Callable[[Path], object]]] = {
    "SUMMARY_VERSION": (
        Path(formats.SUMMARY_JSON),
        f'{{"version": 1, "run": null, "totals": {{{TOTALS}}}, "sensors": [], "landings": []}}',
        Folder.read,
    ),
    "OUTCOME_VERSION": (
        Path(formats.OUTCOMES_FOLDER) / "all.json",
        '{"version": 1, "step": "all", "sensors": [], "landings": []}',
        read_outcomes,
    ),
    "MANIFEST_VERSION": (
        Path(formats.MANIFEST_JSON),
        '{"version": 1, "run": "blob-1", "landings": []}',
        lambda folder: RunManifest.read(folder / formats.MANIFEST_JSON),
    ),
    "FACTS_VERSION": (
        Path("facts.json"),
        '{"version": 1, "cause": "a.csv arrived"}',
        lambda folder: RunFacts.read(folder / "facts.json"),
    ),
    "BOUNDARIES_VERSION": (
        Path(formats.BOUNDARIES_JSON),
        '{"version": 1, "boundaries": [{"device": "1", "sensor": "1", "model": "", "normal": [[1, null]]}]}',
        read_boundaries,
    ),
    "FLEET_VERSION": (
        Path("state.json"),
        FLEET_STATE,
        lambda folder: FleetState.read(folder / "state.json"),
    ),
}
"""For each version in `formats`: a document as it is stored today, and what reads it from a folder."""


def store(folder: Path, name: Path, content: str) -> Path:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    return folder


def test_each_version_has_a_stored_document_and_a_reader() -> None:
    assert {name for name in vars(formats) if name.endswith("_VERSION")} == set(STORED)


@pytest.mark.parametrize("version", STORED)
def test_a_document_of_the_stored_version_is_read(tmp_path: Path, version: str) -> None:
    """Fails where a version is raised and its reader does not accept the documents of the version before."""
    name, content, read = STORED[version]
    read(store(tmp_path, name, content))


@pytest.mark.parametrize("version", STORED)
def test_a_document_of_another_version_is_refused_in_one_line(tmp_path: Path, version: str) -> None:
    name, content, read = STORED[version]
    current = getattr(formats, version)
    newer = content.replace('"version": 1', f'"version": {current + 1}')
    expected = f"{name.name}: version {current + 1} is not {current}; update this project"
    with pytest.raises(ScoringError, match=re.escape(expected)) as caught:
        read(store(tmp_path, name, newer))
    assert "\n" not in str(caught.value)


def test_the_report_has_a_glyph_and_a_style_for_each_status_of_a_sensor_that_was_not_scored() -> None:
    assert set(UNSCORED_CELLS) == set(formats.SensorStatus) - {formats.SensorStatus.SCORED}
    style = (Path(findings.__file__).parent / "assets" / "report.css").read_text()
    assert [status for status in UNSCORED_CELLS if f".cell.{status}" not in style] == []


def test_the_report_describes_each_status_of_a_landing_that_needs_attention() -> None:
    described = {formats.LandingStatus.READ, *findings.LANDING_FINDINGS}
    assert described == set(formats.LandingStatus)
