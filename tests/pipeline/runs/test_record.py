from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RunDocumentError
from pipeline.runs.record import Cause, CauseKind, RunRecord, RunState

SAMPLES = Path(__file__).parents[1] / "samples"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.datetimes(timezones=st.just(UTC))
RECORDS = st.builds(
    RunRecord,
    run=TEXT,
    cause=st.builds(Cause, st.sampled_from(CauseKind), TEXT),
    state=st.sampled_from(RunState),
    published=TEXT,
    created=TIMES,
    submitted=st.none() | TIMES,
    started=st.none() | TIMES,
    ended=st.none() | TIMES,
    tries=st.integers(1, 99),
    restarts=st.integers(0, 99),
    claims=st.booleans(),
    counts=st.dictionaries(TEXT, st.integers(0)),
    error=st.none() | TEXT,
    retry=st.booleans(),
    token=TEXT,
)

P, S, R = RunState.PENDING, RunState.SUBMITTED, RunState.RUNNING
ENDS = {RunState.SUCCEEDED, RunState.PARTLY, RunState.FAILED, RunState.CANCELED}
ALLOWED = {(P, S), (P, R), (S, R), (P, RunState.EMPTY), *product((P, S, R), ENDS)}


class TestStates:
    @pytest.mark.parametrize(("before", "after"), list(product(RunState, RunState)))
    def test_a_state_leads_only_forward(self, before, after):
        assert before.leads_to(after) == ((before, after) in ALLOWED)

    def test_the_last_five_are_final(self):
        assert {state for state in RunState if state.final} == ENDS | {RunState.EMPTY}


class TestDocument:
    @given(RECORDS)
    def test_what_is_written_is_read_again(self, record):
        assert RunRecord.from_bytes(record.to_bytes(), "here") == record

    def test_a_record_of_version_1_still_loads(self):
        record = RunRecord.from_bytes((SAMPLES / "record-1.json").read_bytes(), "sample", "0x8D")
        assert record.cause == Cause(CauseKind.RETRY, "blob-0123456789abcdef0123456789abcdef")
        assert record.state is RunState.PARTLY
        assert record.created == datetime(2026, 11, 23, 5, 0, 0, 250000, tzinfo=UTC)
        assert (record.tries, record.restarts, record.counts["readings"]) == (2, 1, 17768)
        assert record.etag == "0x8D"

    def test_a_newer_one_says_that_the_program_is_too_old(self):
        with pytest.raises(RunDocumentError, match=r"runs/x is a run record of version 2; .* update it"):
            RunRecord.from_bytes(b'{"version": 2}', "runs/x")

    @pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'{"version": 1}'])
    def test_a_damaged_one_is_reported_with_its_path(self, data):
        with pytest.raises(RunDocumentError, match=r"runs/x is not a run record .* damaged"):
            RunRecord.from_bytes(data, "runs/x")
