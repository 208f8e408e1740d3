"""Steps on mounts of Azure ML's own data runtime, over Azurite: `make fidelity` installs it.

What the emulated workspace only imitates: a rename is a copy and a delete, folders are blobs, files have no
type of content, and inputs cannot be written to.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.runs.landing import Landing, Manifest
from tests.conftest import ROOT
from tests.fidelity.account import Account, take_name
from tests.pipeline import small_fleet

PYTHON = ROOT / ".fidelity" / "bin" / "python"
KEYS = [f"{device}_{sensor}" for device, sensor in small_fleet.SENSORS]
ROWS = 50_000
"""Readings of each sensor, where a step is to be killed: they are written for seconds."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("fidelity"),
    pytest.mark.skipif(not PYTHON.exists(), reason="no azureml-dataprep-rslex in .fidelity: make fidelity"),
    pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="no FUSE on this machine"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]


@dataclass(frozen=True)
class Node:
    """A node of a cluster with the four containers mounted, and one run to score."""

    account: Account
    data: Path
    models: Path
    runs: Path
    preds: Path

    def blobs(self, container="preds"):
        """All blobs with their content, but those that stand for folders."""
        client = self.account.client.get_container_client(container)
        return {
            blob.name: client.download_blob(blob.name).readall()
            for blob in client.list_blobs(include=["metadata"])
            if not blob.metadata
        }

    def command(self, what, run, *more):
        common = ["--data", self.data / run, "--manifest", self.runs / run / "manifest.json"]
        return [
            *map(str, [sys.executable, "-m", "scoring", what, *common, "--models", self.models, *more]),
        ]

    def score(self, run, key):
        return self.command("score", run, f"--key={key}", "--out", self.preds / run)

    def finish(self, run):
        for key in KEYS:
            subprocess.run(self.score(run, key), cwd=ROOT, check=True)
        collect = self.command("collect", run, "--run", run, "--preds", self.preds / run)
        subprocess.run(collect, cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    take_name(folder)
    with Account(folder, PYTHON) as account:
        for container in ("data", "models", "runs", "preds"):
            account.client.create_container(container)
        for name, content in small_fleet.models().items():
            account.client.get_blob_client("models", name).upload_blob(content)
        for run, rows in (("small", small_fleet.ROWS), ("large", ROWS)):
            readings = small_fleet.readings(rows)
            account.client.get_blob_client("data", f"{run}/a.csv").upload_blob(readings)
            manifest = Manifest(run, (Landing("a.csv", "0x1", len(readings), None),))
            account.client.get_blob_client("runs", f"{run}/manifest.json").upload_blob(manifest.to_bytes())
        folders = {
            name: account.mount(name, name, read_only=name != "preds")
            for name in ("data", "models", "runs", "preds")
        }
        yield Node(account, **folders)


def on_a_disk(node, run, folder):
    """What the same steps write on an ordinary disk."""
    preds = folder / run
    for key in KEYS:
        subprocess.run(node.command("score", run, f"--key={key}", "--out", preds), cwd=ROOT, check=True)
    subprocess.run(node.command("collect", run, "--run", run, "--preds", preds), cwd=ROOT, check=True)
    return {
        f"{run}/{path.relative_to(preds)}": path.read_bytes() for path in preds.rglob("*") if path.is_file()
    }


def test_steps_write_through_a_mount_what_they_write_on_a_disk(node, tmp_path):
    node.finish("small")
    found = {name: content for name, content in node.blobs().items() if name.startswith("small/")}
    assert found == on_a_disk(node, "small", tmp_path)
    assert "small/_SUCCESS" in found


def test_a_run_that_is_repeated_on_top_leaves_the_same_bytes(node):
    node.finish("small")
    before = node.blobs()
    node.finish("small")
    assert node.blobs() == before


def test_folders_are_blobs_and_pages_have_no_type_of_content(node):
    node.finish("small")
    preds = node.account.client.get_container_client("preds")
    folder = preds.get_blob_client("small").get_blob_properties()
    assert (folder.size, folder.metadata) == (0, {"hdi_isfolder": "true"})
    page = preds.get_blob_client("small/report.html").get_blob_properties()
    assert page.content_settings.content_type == "application/octet-stream"


def test_inputs_cannot_be_written_to(node):
    with pytest.raises(OSError, match=r"Read-only|not permitted|denied"):
        (node.models / "mine.txt").write_text("not here")


def test_what_a_killed_step_leaves_under_a_final_name_is_whole(node, tmp_path):
    """A rename is a copy and a delete on such a mount."""
    expected = on_a_disk(node, "large", tmp_path)
    preds = node.account.client.get_container_client("preds")
    step = subprocess.Popen(node.score("large", KEYS[0]), cwd=ROOT)
    deadline = time.monotonic() + 60
    while not any(preds.list_blob_names(name_starts_with="large/.")):
        assert time.monotonic() < deadline
        assert step.poll() is None, "it was through before it could be killed"
    step.send_signal(signal.SIGKILL)
    step.wait()
    left = {name: content for name, content in node.blobs().items() if name.startswith("large/")}
    final = {name for name in left if not any(part.startswith(".") for part in name.split("/"))}
    assert final < expected.keys()
    assert "large/_SUCCESS" not in final
    assert all(left[name] == expected[name] for name in final)
    node.finish("large")
    assert {name: content for name, content in node.blobs().items() if name.startswith("large/")} == expected
