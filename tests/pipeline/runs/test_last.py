"""When something last happened, as all hosts see it."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import ContainerMissing
from pipeline.runs import last
from pipeline.runs.last import LastSweep
from pipeline.settings import Settings
from pipeline.storage.account import Store
from tests.conftest import new_environment

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_it_is_the_servers_time_of_the_last_note(store):
    assert last.when(store.runs, last.SWEEP) is None
    last.note(store.runs, last.SWEEP)
    noted = last.when(store.runs, last.SWEEP)
    assert noted
    assert abs(datetime.now(UTC) - noted) < timedelta(minutes=1)
    assert last.when(store.runs, last.DEFERRAL) is None


def test_a_missing_container_is_not_mistaken_for_no_sweep(azurite):
    store = Store.connect(Settings.from_environment(new_environment(azurite)))
    with pytest.raises(ContainerMissing):
        last.when(store.runs, last.SWEEP)
    store.close()


@pytest.mark.parametrize(
    ("finished", "late"),
    [(None, False), (NOON - timedelta(minutes=60), False), (NOON - timedelta(minutes=61), True)],
    ids=["never", "just in time", "late"],
)
def test_a_sweep_is_late_after_its_time(finished, late):
    swept = LastSweep(finished, timedelta(minutes=60))
    assert swept.is_late(NOON) is late
    assert ("SCORING_LATE_SWEEP_MINUTES" in swept.sentence(NOON)) is late
