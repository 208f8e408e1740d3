"""A stored sample of each document and version: code of today must still read what was stored before."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.engines import summary
from pipeline.engines.local import step_states
from pipeline.errors import PipelineError
from pipeline.fleet.state import FleetState
from pipeline.flow import sweep
from pipeline.published import publish
from pipeline.runs import record
from pipeline.runs.landing import Manifest
from pipeline.runs.summary import read_summary
from scoring import formats

SAMPLES = Path(__file__).parent / "samples"
READERS: dict[str, tuple[int, Callable[[bytes, str], object]]] = {
    "manifest": (formats.MANIFEST_VERSION, Manifest.from_bytes),
    "record": (record.VERSION, record.RunRecord.from_bytes),
    "summary": (formats.SUMMARY_VERSION, read_summary),
    "steps": (step_states.VERSION, step_states.from_bytes),
    "published": (publish.VERSION, publish.from_bytes),
    "watermark": (sweep.VERSION, sweep.read_watermark),
    "fleet": (formats.FLEET_VERSION, lambda data, where: FleetState.from_bytes(gzip.compress(data), where)),
}


@pytest.mark.parametrize("name", READERS)
def test_each_version_up_to_the_current_one_has_a_sample_that_is_read(name):
    version, read = READERS[name]
    for number in range(1, version + 1):
        read((SAMPLES / f"{name}-{number}.json").read_bytes(), name)


@pytest.mark.parametrize("name", READERS)
def test_a_version_that_this_program_does_not_know_is_refused(name):
    version, read = READERS[name]
    newer = (SAMPLES / f"{name}-{version}.json").read_text().replace("1", str(version + 1), 1)
    with pytest.raises(
        PipelineError, match=f"it is .* of version {version + 1}; this program reads {version}"
    ):
        read(newer.encode(), "it")


def test_samples_hold_what_was_stored():
    def sample(name: str) -> bytes:
        return (SAMPLES / f"{name}-1.json").read_bytes()

    found = step_states.from_bytes(sample("steps"), "it")
    first = found.steps[0]
    assert (first.started, first.tries) == (datetime(2026, 11, 23, 5, 0, 0, 250000, tzinfo=UTC), 2)
    assert found.result is None  # of an earlier release: see there
    assert publish.from_bytes(sample("published"), "it").steps == 15
    fleet = FleetState.from_bytes(gzip.compress(sample("fleet")), "it")
    assert fleet.sensors[0].read_days() == [("2026-11-27", 121, 2, 0, "timer-20261127-130000")]
    assert (fleet.silent_since, fleet.outbox[0].key) == (datetime(2026, 11, 27, 14, tzinfo=UTC), ("9", "9"))
    watermark = sweep.read_watermark(sample("watermark"), "it")
    assert watermark == sweep.Watermark("account/data", datetime(2026, 11, 23, 5, tzinfo=UTC))
    assert summary.read_status(sample("summary"), "it", ()).error == "sensor 1/2 failed: the model is refused"
