"""Ranges of landings that a person submits, by name and by the time of the upload."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli import main
from pipeline.errors import InvalidRequest
from pipeline.flow.manual import Request, requested_landings, submit_manual
from pipeline.flow.submit import submit_landing
from pipeline.storage.listing import BlobInfo

TIME = datetime(2026, 11, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def blob(time):
    return BlobInfo("a.csv", "0x1", 1, None, time, {}, leased=False)


@pytest.mark.parametrize(
    ("request_", "seconds"),
    [
        (Request(), {-1, 0, 1}),
        (Request(since=TIME), {0, 1}),
        (Request(until=TIME), {-1}),
        (Request(since=TIME, until=TIME + SECOND), {0}),
    ],
    ids=str,
)
def test_a_range_begins_at_since_and_ends_before_until(request_, seconds):
    found = {second for second in (-1, 0, 1) if request_.includes(blob(TIME + second * SECOND))}
    assert found == seconds


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (Request(["a.csv"]), "a.csv"),
        (Request(["a.csv", "b.csv"]), "2 blobs"),
        (Request(), "everything"),
        (Request(prefix="2018/"), "all blobs that start with '2018/'"),
        (
            Request(prefix="2018/", since=TIME),
            "all blobs that start with '2018/' and were last modified at 2026-11-01 00:00:00 UTC or later",
        ),
    ],
)
def test_a_request_describes_itself_as_the_cause_of_its_run(request_, text):
    assert str(request_) == text


def test_a_range_takes_landings_by_the_time_of_their_upload(context, store):
    for name in ("2018/a.csv", "2018/b.csv", "2019/a.csv"):
        store.data.put(name, b"TS")
    time = store.data.find("2018/a.csv").last_modified
    assert len(requested_landings(context, Request(since=time))) == 3
    assert len(requested_landings(context, Request(None, "2018/", time, time + timedelta(hours=1)))) == 2
    with pytest.raises(InvalidRequest, match="nothing to score: all blobs that were last modified before"):
        requested_landings(context, Request(until=time))


def test_a_month_is_scored_again_by_one_line_as_one_run(context, here, store, capsys):
    for name in ("a.csv", "b.csv", "c.csv"):
        store.data.put(name, b"TS")
    submit_landing(context, "a.csv")
    since = ["submit", "--since", "2018-08-01", "--until", "2999-01-01"]
    assert main([*since, "--again", "--dry-run"]) == 0
    assert capsys.readouterr().out == (
        "one run would score 3 of 3 landings, 0.0 MB in all (a.csv to c.csv); "
        "1 of them is in other runs and would be scored again\n"
    )
    assert main([*since, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"landings": ["a.csv", "b.csv", "c.csv"], "claimed": 1}
    assert len(context.runs.newest()) == 1, "a dry run submits nothing"
    request = Request(since=datetime(2018, 8, 1, tzinfo=UTC), until=datetime(2999, 1, 1, tzinfo=UTC))
    submission = submit_manual(context, request, name="august", again=True, random_hex="")
    assert submission.landings == 3
    assert str(submission) == "run august is submitted: 3 landings"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--since", "yesterday"], "'yesterday' is not a time such as 2026-11-01"),
        (["--since", "2026-12-01", "--until", "2026-11-01"], "--since is not before --until"),
        (
            ["--since", "2026-11-01T00:00+01:00", "--until", "2026-10-31T23:00"],
            "--since is not before --until",
        ),
    ],
)
@pytest.mark.usefixtures("here", "store")
def test_an_impossible_range_is_reported_in_one_line(capsys, words, complaint):
    try:
        assert main(["submit", *words]) == 2
    except SystemExit as left:
        assert left.code == 2  # noqa: PT017 - argparse leaves so, our own checks return
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line
