"""The soak's checker finds what does not add up, and nothing where all does; tried on a small real state."""

import contextlib
import json
import random
import secrets

import pytest

from dev.demo.leftovers import end_marked
from dev.soak.check import check
from dev.soak.contents import read_blobs
from dev.soak.readings import Kind, blob_name, content, parse, parse_name, parse_stamp, stamp
from dev.soak.scene import MODEL_VERSIONS, set_scene
from dev.soak.steady import growth
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from tests.e2e.conftest import wait_for_end
from tests.pipeline.conftest import until

pytestmark = [pytest.mark.xdist_group("soak"), pytest.mark.slow]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Landings of every kind, one replaced after it was scored and one removed; all is quiet."""
    mark = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        stack.callback(end_marked, mark)
        scene = set_scene(lambda _request: None, 1, mark, tmp_path_factory.mktemp("soak"), stack)
        context, chance = scene.stage.context, random.Random(1)
        names = [blob_name(kind, number) for number, kind in enumerate([*Kind, Kind.GOOD, Kind.GOOD])]

        def land(name, version=0):
            context.store.data.put(name, content(*parse_name(name), version, chance))

        for name in names:
            land(name)
        context.store.data.put("_notes.csv", b"none")
        wait_for_end(scene.stage, submit_landing(context, names[0]).run)
        land(names[0], version=1)
        wait_for_end(scene.stage, sweep(context, context.clock(), random_hex="000000").run)
        context.store.data.delete(names[-1])
        runs = context.runs.newest()
        until(lambda: all(context.store.runs.exists(f"{record.run}/logs/worker.log") for record in runs))
        yield scene  # the workers are gone: their own logs are the last that they write


@pytest.fixture(scope="module")
def kept(scene):
    """What is in the containers that tests change: by name of a blob its ETag and its content."""
    return {name: contents(scene.service.get_container_client(name)) for name in ("runs", "preds")}


def contents(client):
    return {blob.name: (blob.etag, client.download_blob(blob.name).readall()) for blob in client.list_blobs()}


@pytest.fixture
def containers(scene, kept):
    """All containers; what a test does is undone, but with landings: they would get new ETags."""
    clients = {name: scene.service.get_container_client(name) for name in ("data", "runs", "preds")}
    yield clients
    for name, blobs in kept.items():
        there = {blob.name: blob.etag for blob in clients[name].list_blobs()}
        for extra in there.keys() - blobs.keys():
            clients[name].delete_blob(extra)
        for blob, (etag, text) in blobs.items():
            if there.get(blob) != etag:
                put = clients[name].get_blob_client(blob).upload_blob(text, overwrite=True)
                blobs[blob] = (put["etag"].strip('"'), text)


def violations(scene):
    return check(scene.service, MODEL_VERSIONS).violations


def finished(containers):
    """The runs that have predictions, the largest last."""
    names = [blob.name for blob in containers["preds"].list_blobs()]
    runs = [name.removesuffix("/_SUCCESS") for name in names if name.endswith("/_SUCCESS")]
    return sorted(runs, key=lambda run: len(manifest(containers, run)["landings"]))


def manifest(containers, run):
    return json.loads(containers["runs"].download_blob(f"{run}/manifest.json").readall())


def change(container, name, how):
    text = container.download_blob(name).readall().decode()
    container.upload_blob(name, how(text).encode(), overwrite=True)


def test_where_nothing_was_lost_nothing_is_found(scene, containers):
    findings = check(scene.service, MODEL_VERSIONS)
    assert findings.violations == []
    assert findings.figures["landings there in the end"] == 6
    assert findings.figures["claims"] == 8
    assert len(findings.latencies) == 3


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


def with_a_rejected_row_less(containers, run):
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


def without_its_end(containers, run):
    containers["preds"].delete_blob(f"{run}/_SUCCESS")


def without_word_of_a_landing(containers, run):
    def less(text):
        summary = json.loads(text)
        summary["landings"] = [one for one in summary["landings"] if "no-text" not in one["name"]]
        return json.dumps(summary)

    change(containers["preds"], f"{run}/summary.json", less)


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


def with_a_claim_of_nobody(containers, _run):
    containers["runs"].upload_blob(f"landings/{'0' * 32}", b"blob-of-nobody")


def with_a_claim_that_it_does_not_know(containers, run):
    containers["runs"].upload_blob(f"landings/{'0' * 32}", run.encode())


def a_claim(containers):
    """The claim on a landing that is there."""
    blobs, _ = read_blobs(containers["data"])
    return f"landings/{blobs[0].key}"


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (without_a_row, "scored in part"),
        (with_a_row_twice, "reading predicted twice"),
        (with_another_value, "another value"),
        (with_another_label, "wrong answer"),
        (with_a_rejected_row_less, "rejected rows"),
        (with_another_rejected_line, "rejected lines"),
        (scored_by_another_run_too, "scored twice"),
        (without_its_end, "never scored"),
        (without_word_of_a_landing, "landing not told of"),
        (with_a_marker, "marker left"),
        (still_running, "run not over"),
        (without_a_record, "claim without a run"),
        (without_a_claim, "never scored"),
        (with_a_claim_of_nobody, "claim without a run"),
        (with_a_claim_that_it_does_not_know, "claim that its run knows nothing of"),
    ],
)
def test_what_does_not_add_up_is_found(scene, containers, plant, found):
    plant(containers, finished(containers)[-1])
    assert any(violation.startswith(f"{found}: ") for violation in violations(scene))


def test_a_landing_that_nobody_scored_is_found(scene, containers):
    name = blob_name(Kind.GOOD, 77)
    containers["data"].upload_blob(name, content(Kind.GOOD, 77, 0, random.Random(7)))
    try:
        assert violations(scene) == [f"never scored: {name} has no claim"]
    finally:
        containers["data"].delete_blob(name)


def test_every_row_of_a_landing_tells_to_which_version_of_which_landing_it_belongs():
    for number in (0, 7, 99_999):
        for version in (0, 1, 9):
            rows, bad = parse(content(Kind.BAD_ROWS, number, version, random.Random(number)))
            assert {parse_stamp(row.ts) for row in rows} == {(number, version)}
            assert len(bad) == Kind.BAD_ROWS.rejected
    assert stamp(3, 2, 1) != stamp(3, 2, 2)


def test_a_process_that_grows_is_found_and_one_that_does_not_is_not():
    still = [(float(second), 1, 100 << 20, 50) for second in range(200)]
    fuller = [(float(second), 2, (100 + second) << 20, 50) for second in range(200)]
    opener = [(float(second), 3, 100 << 20, 50 + second) for second in range(200)]
    brief = [(float(second), 4, (100 + second) << 20, 50) for second in range(60)]
    assert [line.split(" from")[0] for line in growth([*still, *fuller, *opener, *brief])] == [
        "process 2",
        "process 3",
    ]
