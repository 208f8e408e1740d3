"""What follows the end of a run: its results in the fleet state, messages to people, pages.

A run has finished when its record has a final state. Its marker stays until the fleet state has it: a sweep
does what a process that died has not done. Messages and pages are made from the fleet state, by any process.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.errors import NotFound, PipelineError, RunDocumentError
from pipeline.pages.fleet_page import update_fleet_page
from pipeline.pages.index import update_index
from pipeline.runs.record import RunRecord, RunState
from pipeline.settings import Settings
from pipeline.storage.account import Store

if TYPE_CHECKING:
    from pipeline.fleet.store import Stored

logger = logging.getLogger(__name__)

_WITH_RESULTS = frozenset({RunState.SUCCEEDED, RunState.PARTLY, RunState.FAILED})


class Conclusions:
    """Concludes the runs of one store."""

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], datetime]) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self._results: Mapping[str, bytes] | None = None
        self._state: Stored | None = None
        """The fleet state as this process has just written it."""

    def keep_results(self, results: Mapping[str, bytes]) -> None:
        """Use these files, which this process has just stored, instead of reading them from storage."""
        self._results = results

    def add_to_fleet(self, record: RunRecord) -> bool:
        """Add a finished run to the fleet state, once; False if there is nothing to add yet.

        Raises:
            PipelineError: storage fails, or other processes keep writing the state.
        """
        added = False
        if record.state in _WITH_RESULTS and record.counts and not record.applied:
            added = self._add_results(record)
        if record.failed_for_good:
            from pipeline.fleet.store import add_failure

            self._state = add_failure(self.store.preds, record, self.clock())
            added = True
        return added

    def _add_results(self, record: RunRecord) -> bool:
        from pipeline.fleet.finished import read_finished, reported_before
        from pipeline.fleet.store import add_run
        from pipeline.notify.settings import read_rules

        try:
            found = read_finished(
                record,
                lambda name: self._read(record.run, name),
                lambda: reported_before(self.store, record),
            )
        except RunDocumentError as error:
            # It stays as it is, however often a sweep reads it, and the predictions are there.
            what = "the fleet state leaves out run %s: %s"
            logger.error(what, record.run, error, extra={"run": record.run})  # noqa: TRY400
            return True
        if found is None:
            return False
        now = self.clock()
        self._state = add_run(self.store.preds, found, read_rules(self.store.runs, self.settings, now), now)
        return True

    def _read(self, run: str, name: str) -> bytes | None:
        """A file with results of a run; None if there is none."""
        if self._results is not None:
            return self._results.get(name)
        try:
            return self.store.preds.read(f"{run}/{name}").data
        except NotFound:
            return None

    def announce(self, *, runs_ended: bool = True) -> None:
        """Send the events in the outbox, and update the pages. Errors are logged: the next sweep does it.

        If this process has added no run to the fleet state, that can be because nothing comes: then the fleet
        is silent. Without anything to do, the state is not read.
        """
        from pipeline.fleet.store import find_properties, note_silence
        from pipeline.notify.deliver import deliver
        from pipeline.notify.settings import read_rules

        written, self._state = self._state, None
        stored, now = None, self.clock()
        try:
            if written is None and (stored := find_properties(self.store.preds)) and stored.is_silent(now):
                rules = read_rules(self.store.runs, self.settings, now)
                written = note_silence(self.store.preds, rules, now)
            if written or (stored and stored.has_events):
                written = deliver(self.store, self.settings, self.clock, written=written).after(written)
        except PipelineError as error:
            logger.warning("messages wait for the next sweep: %s", error)
        except Exception:  # someone can have written anything into the state: the sweep continues
            logger.exception("messages wait for the next sweep")
        if current := written or stored:  # first: the page of runs has a link to that of the fleet
            update_fleet_page(self.store, current.etag, written)
        update_index(self.store, self.settings.late_sweep, now, runs_ended=runs_ended)
