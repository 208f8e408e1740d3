"""The soak test's checker finds every planted inconsistency in a small real state, and nothing else."""

import contextlib
import gzip
import json
import random
import secrets
import time

import psutil
import pytest

from dev.demo.marked_processes import kill_marked
from dev.soak.chaos import forked_steps, is_worker
from dev.soak.check import check
from dev.soak.contents import read_blobs
from dev.soak.leaks import growth
from dev.soak.readings import Kind, blob_name, content, parse, parse_name, parse_stamp, stamp
from dev.soak.receiver import EventReceiver
from dev.soak.setup import MODEL_VERSIONS, set_up
from pipeline.fleet.store import read_state
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from tests.e2e.conftest import wait_for_end
from tests.pipeline.conftest import until
from tests.pipeline.workers import all_workers

LOST = blob_name(Kind.GOOD, 50)
"""A landing whose run loses a step."""

pytestmark = [pytest.mark.xdist_group("soak"), pytest.mark.slow]


@pytest.fixture(scope="module")
def soak(tmp_path_factory):
    """Landings of every kind, one replaced after it was scored and one removed; all runs have finished.

    One run lost a step, so it was tried again.
    """
    mark = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        stack.callback(kill_marked, mark)
        soak = set_up(lambda _request: None, 1, mark, tmp_path_factory.mktemp("soak"), stack)
        context, chance = soak.sandbox.context, random.Random(1)
        names = [blob_name(kind, number) for number, kind in enumerate([*Kind, Kind.GOOD, Kind.GOOD])]

        def upload(name, version=0):
            context.store.data.put(name, content(*parse_name(name), version, chance))

        for name in names:
            upload(name)
        context.store.data.put("_notes.csv", b"none")
        wait_for_end(soak.sandbox, submit_landing(context, names[0]).run)
        upload(names[0], version=1)
        wait_for_end(soak.sandbox, sweep(context, context.clock(), random_hex="000000").run)
        upload(LOST)
        run = submit_landing(context, LOST).run
        until(kill_a_shard)
        assert wait_for_end(soak.sandbox, run).missing
        until(lambda: sweep(context, None, random_hex="000001").recovered.retried)
        wait_for_end(soak.sandbox, f"{run}-2")
        context.store.data.delete(names[-1])
        soak.receiver.stopped = True
        until(lambda: delivered(context), 300)
        runs = context.runs.newest()
        until(lambda: not all_workers().keys() & {record.run for record in runs})
        yield soak


def delivered(context):
    """Whether no event waits; a sink that failed is left alone for a minute."""
    context.conclusions.announce()
    return not read_state(context.store.preds).outbox


def kill_a_shard():
    """Kill the first step of the worker, a child of this process; it scores."""
    workers = [child for child in psutil.Process().children() if is_worker(child)]
    deadline = time.monotonic() + 10
    while workers and time.monotonic() < deadline:
        for step in [step for worker in workers for step in forked_steps(worker)]:
            with contextlib.suppress(psutil.Error):  # it has just ended
                step.kill()
                return True
    return False


@pytest.fixture(scope="module")
def original(soak):
    """Blobs of the containers that tests change: ETag and content by name."""
    return {name: contents(soak.service.get_container_client(name)) for name in ("runs", "preds")}


def contents(client):
    return {blob.name: (blob.etag, client.download_blob(blob.name).readall()) for blob in client.list_blobs()}


@pytest.fixture
def containers(soak, original):
    """All containers; changes are undone after each test, except in `data`: landings would get new ETags."""
    clients = {name: soak.service.get_container_client(name) for name in ("data", "runs", "preds")}
    yield clients
    for name, blobs in original.items():
        etags = {blob.name: blob.etag for blob in clients[name].list_blobs()}
        for extra in etags.keys() - blobs.keys():
            clients[name].delete_blob(extra)
        for blob, (etag, text) in blobs.items():
            if etags.get(blob) != etag:
                put = clients[name].get_blob_client(blob).upload_blob(text, overwrite=True)
                blobs[blob] = (put["etag"].strip('"'), text)


def violations(soak):
    return check(soak.service, MODEL_VERSIONS, soak.receiver).violations


def finished(containers):
    """Finished runs, the one with the most landings last."""
    names = [blob.name for blob in containers["preds"].list_blobs()]
    runs = [name.removesuffix("/_SUCCESS") for name in names if name.endswith("/_SUCCESS")]
    return sorted(runs, key=lambda run: len(manifest(containers, run)["landings"]))


def second_try(containers):
    """The run that scored what another one lost."""
    (run,) = (run for run in finished(containers) if run.endswith("-2"))
    return run


def manifest(containers, run):
    return json.loads(containers["runs"].download_blob(f"{run}/manifest.json").readall())


def change(container, name, how):
    text = container.download_blob(name).readall().decode()
    container.upload_blob(name, how(text).encode(), overwrite=True)


def test_a_consistent_state_has_no_violations(soak, containers):
    findings = check(soak.service, MODEL_VERSIONS, soak.receiver)
    assert findings.violations == []
    assert findings.figures["landings at the end"] == 7
    assert findings.figures["claims"] == 9
    assert (findings.figures["further tries"], findings.figures["tries for lost steps"]) == (1, 1)
    assert len(findings.latencies) == 4
    assert all(seconds >= -1 for parts in findings.latencies for seconds in parts.values())
    assert sum(parts["waiting for a retry"] > 0 for parts in findings.latencies) == 1  # of the lost step


def without_a_row(containers, run):
    change(containers["preds"], f"{run}/preds_1_2.csv", lambda text: text[: text[:-1].rindex("\n") + 1])


def with_a_row_twice(containers, run):
    change(containers["preds"], f"{run}/preds_1_2.csv", lambda text: text + text.splitlines()[-1] + "\n")


def with_another_value(containers, run):
    def other(text):
        header, first, rest = text.split("\n", 2)
        ts, device, sensor, value, answer = first.split(",", 4)
        return f"{header}\n{ts},{device},{sensor},{float(value) + 1},{answer}\n{rest}"

    change(containers["preds"], f"{run}/preds_2_2.csv", other)


def with_another_label(containers, run):
    def other(text):
        head, last = text[:-1].rsplit("\n", 1)
        *first, label, score = last.split(",")
        return "\n".join([head, ",".join([*first, str(1 - int(label)), score]), ""])

    change(containers["preds"], f"{run}/preds_2_1.csv", other)


def without_a_rejected_row(containers, run):
    change(containers["preds"], f"{run}/rejects.csv", lambda text: text[: text[:-1].rindex("\n") + 1])


def with_another_rejected_line(containers, run):
    def other(text):
        head, last = text[:-1].rsplit("\n", 1)
        file, line, rest = last.split(",", 2)
        return f"{head}\n{file},{int(line) + 100},{rest}\n"

    change(containers["preds"], f"{run}/rejects.csv", other)


def scored_by_another_run_too(containers, run):
    small = finished(containers)[0]
    line = containers["preds"].download_blob(f"{small}/preds_1_1.csv").readall().decode().splitlines()[-1]
    change(containers["preds"], f"{run}/preds_1_1.csv", lambda text: text + line + "\n")


def scored_by_an_earlier_try_too(containers, _run):
    run = second_try(containers)
    first = run.removesuffix("-2")
    for blob in list(containers["preds"].list_blobs(f"{run}/preds_")):
        text = containers["preds"].download_blob(blob.name).readall()
        containers["preds"].upload_blob(blob.name.replace(run, first), text, overwrite=True)


def without_the_try_for_lost_steps(containers, _run):
    run = second_try(containers)
    for name in (f"{run}/record.json", f"{run}/manifest.json"):
        containers["runs"].delete_blob(name)


def without_success(containers, run):
    containers["preds"].delete_blob(f"{run}/_SUCCESS")


def without_a_landing_in_the_summary(containers, run):
    def shorter(text):
        summary = json.loads(text)
        summary["landings"] = [one for one in summary["landings"] if "no-text" not in one["name"]]
        return json.dumps(summary)

    change(containers["preds"], f"{run}/summary.json", shorter)


def with_a_marker(containers, run):
    containers["runs"].upload_blob(f"open/{run}", b"")


def still_running(containers, run):
    change(
        containers["runs"],
        f"{run}/record.json",
        lambda text: json.dumps(json.loads(text) | {"state": "running"}),
    )


def without_a_record(containers, run):
    containers["runs"].delete_blob(f"{run}/record.json")


def without_a_claim(containers, _run):
    containers["runs"].delete_blob(a_claim(containers))


def with_a_claim_of_an_unknown_run(containers, _run):
    containers["runs"].upload_blob(f"landings/{'0' * 32}", b"blob-unknown")


def with_a_claim_missing_from_the_manifest(containers, run):
    containers["runs"].upload_blob(f"landings/{'0' * 32}", run.encode())


def a_claim(containers):
    """The claim on an existing landing."""
    blobs, _ = read_blobs(containers["data"])
    return f"landings/{blobs[0].key}"


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (without_a_row, "scored in part"),
        (with_a_row_twice, "reading predicted twice"),
        (with_another_value, "wrong value"),
        (with_another_label, "wrong answer"),
        (without_a_rejected_row, "rejected rows"),
        (with_another_rejected_line, "rejected lines"),
        (scored_by_another_run_too, "scored twice"),
        (scored_by_an_earlier_try_too, "scored twice"),
        (without_the_try_for_lost_steps, "not tried again"),
        (without_success, "never scored"),
        (without_a_landing_in_the_summary, "landing not in the summary"),
        (with_a_marker, "leftover marker"),
        (still_running, "run not finished"),
        (without_a_record, "claim without a run"),
        (without_a_claim, "never scored"),
        (with_a_claim_of_an_unknown_run, "claim without a run"),
        (with_a_claim_missing_from_the_manifest, "claim missing from the manifest"),
    ],
)
def test_an_inconsistency_is_found(soak, containers, plant, kind):
    plant(containers, finished(containers)[-1])
    assert any(violation.startswith(f"{kind}: ") for violation in violations(soak))


def test_a_landing_without_a_run_is_found(soak, containers):
    name = blob_name(Kind.GOOD, 77)
    containers["data"].upload_blob(name, content(Kind.GOOD, 77, 0, random.Random(7)))
    try:
        assert violations(soak) == [f"never scored: {name} has no claim"]
    finally:
        containers["data"].delete_blob(name)


def test_every_row_identifies_its_landing_and_version():
    for number in (0, 7, 99_999):
        for version in (0, 1, 9):
            rows, bad = parse(content(Kind.BAD_ROWS, number, version, random.Random(number)))
            assert {parse_stamp(row.ts) for row in rows} == {(number, version)}
            assert len(bad) == Kind.BAD_ROWS.rejected
    assert stamp(3, 2, 1) != stamp(3, 2, 2)


def test_only_processes_that_grow_are_found():
    steady = [(float(second), 1, 100 << 20, 50) for second in range(200)]
    fuller = [(float(second), 2, (100 + second) << 20, 50) for second in range(200)]
    opener = [(float(second), 3, 100 << 20, 50 + second) for second in range(200)]
    brief = [(float(second), 4, (100 + second) << 20, 50) for second in range(60)]
    assert [line.split(" from")[0] for line in growth([*steady, *fuller, *opener, *brief])] == [
        "process 2",
        "process 3",
    ]


def test_a_run_that_the_fleet_state_counts_twice_is_found(soak, containers):
    blob = containers["preds"].get_blob_client("_fleet/state.json.gz")
    state = json.loads(gzip.decompress(blob.download_blob().readall()))
    state["sensors"][0]["days"][0][1] += 3
    blob.upload_blob(gzip.compress(json.dumps(state).encode()), overwrite=True)
    [violation] = violations(soak)
    assert violation.startswith("fleet state: sensor 1/1 has ")


def test_an_event_that_is_not_delivered_is_found(soak, containers):
    blob = containers["preds"].get_blob_client("_fleet/state.json.gz")
    state = json.loads(gzip.decompress(blob.download_blob().readall()))
    state["outbox"] = [{"id": "e1", "run": "blob-1"}]
    blob.upload_blob(gzip.compress(json.dumps(state).encode()), overwrite=True)
    assert violations(soak) == ["fleet state: event e1 of run blob-1 is not delivered"]


def test_an_event_that_was_lost_is_found(soak, containers):
    blob = containers["preds"].get_blob_client("_fleet/state.json.gz")
    state = json.loads(gzip.decompress(blob.download_blob().readall()))
    state["sensors"][0]["episodes"] = [{"id": "e1", "announced": "closed"}]
    blob.upload_blob(gzip.compress(json.dumps(state).encode()), overwrite=True)
    assert violations(soak) == ["event: no event says that episode e1 is closed"]


def test_events_out_of_order_and_events_that_no_prediction_shows_are_found():
    peak = {"time": "2026-01-01T00:00:00Z", "value": 5.0}
    data = {"device": "1", "sensor": "1", "episode": "e1", "peak": peak}
    receiver = EventReceiver(1)
    receiver.accepted = [
        {"id": "b", "type": "fleetscoring.episode.closed", "data": data},
        {"id": "a", "type": "fleetscoring.episode.opened", "data": data},
        {"id": "b", "type": "fleetscoring.episode.closed", "data": data},
    ]
    assert list(receiver.violations([], {"sensors": []})) == [
        "the events of episode e1 are closed, open",
        "event b names a peak that is not an anomaly",
        "event a names a peak that is not an anomaly",
    ]
