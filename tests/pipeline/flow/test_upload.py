"""`upload`: what is sent, under which names, and that nothing is overwritten unasked."""

import base64
import hashlib
import os
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from dev.azurite import connection_string
from dev.proxy import FaultProxy
from pipeline.cli import main
from pipeline.engines.local.models import fetch_models
from pipeline.errors import InvalidRequest
from pipeline.flow.submit import submit_landing
from pipeline.flow.upload import compare, select_models, select_readings, upload
from pipeline.runs.lookup import find_run
from pipeline.step_environment import ROOT
from pipeline.storage.account import Store
from pipeline.storage.connect import SINGLE_PUT_BYTES
from scoring.formats import PACK_NAME
from scoring.models.write import model_bytes
from tests.pipeline.counting import CountingTransport, InterruptingTransport

ROW = b"TS,Device,Sensor,Value\n2026-01-01 00:00:00,1,3,4.5\n"
LARGE = SINGLE_PUT_BYTES + 5_000_000
"""Bytes of a file that is sent in blocks."""


@pytest.fixture
def in_place(here, store: Store):
    """A working directory whose environment leads to the four containers."""
    return store


@pytest.fixture
def readings(tmp_path):
    """A folder with files of readings in it and below it."""
    folder = tmp_path / "sites"
    for name in ("site-a.csv", "2018/08/site-b.csv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(ROW + name.encode())
    return folder


def names(container) -> list[str]:
    return [blob.name for blob in container.list()]


def sent(container, path, **how):
    files = select_readings([path], by_date=False).files
    upload(container, compare(container.find, files), advance=how.get("advance", lambda _: None))


def test_files_keep_their_names_and_their_folders_below_the_given_one(in_place, readings, capsys):
    assert main(["upload", str(readings)]) == 0
    assert names(in_place.data) == ["2018/08/site-b.csv", "site-a.csv"]
    assert in_place.data.read("site-a.csv").data == ROW + b"site-a.csv"
    out, err = capsys.readouterr()
    assert f"uploaded 2 files -> container {in_place.data.name!r}" in out
    assert "publish: no pipeline is published yet; then python -m pipeline sweep" in out
    assert "uploading 2 files, 0.0 MB ..." in err


def test_the_next_step_names_whole_commands(context, here, readings, capsys):
    assert main(["upload", str(readings / "site-a.csv")]) == 0
    without = "; without a trigger, python -m pipeline sweep makes one"
    assert capsys.readouterr().out.endswith(f" follows{without}\n")
    (readings / "site-c.csv").write_bytes(ROW)
    (readings / "site-d.csv").write_bytes(ROW)
    capsys.readouterr()
    assert main(["upload", str(readings)]) == 0
    assert capsys.readouterr().out.endswith(f"next: the trigger makes a run for each{without} for all\n")


def test_the_run_that_the_trigger_makes_of_a_file_is_named(context, here, readings, capsys):
    assert main(["upload", str(readings / "site-a.csv")]) == 0
    submission = submit_landing(context, "site-a.csv")
    found = re.search(r"python -m pipeline watch (\S+) follows", capsys.readouterr().out)
    assert found is not None
    assert find_run(context.runs, found[1]) == submission.run


def test_two_files_never_become_one_blob(in_place, readings, capsys):
    assert main(["upload", str(readings), str(readings / "site-a.csv")]) == 2
    assert "several files would become 'site-a.csv'" in capsys.readouterr().err
    assert names(in_place.data) == []


def test_by_date_puts_the_day_of_the_last_change_first(in_place, readings):
    file = readings / "site-a.csv"
    os.utime(file, (0, datetime(2018, 8, 28, 23, 59, tzinfo=UTC).timestamp()))
    assert main(["upload", str(file), "--by-date"]) == 0
    assert names(in_place.data) == ["2018/08/28/site-a.csv"]


def test_uploading_again_changes_nothing(in_place, readings, capsys):
    main(["upload", str(readings)])
    before = in_place.data.find("site-a.csv")
    capsys.readouterr()
    assert main(["upload", str(readings)]) == 0
    assert in_place.data.find("site-a.csv") == before
    out = capsys.readouterr().out
    assert out.startswith("2 files already there -> ")
    assert "a blob is scored once: python -m pipeline submit NAME --again scores it again" in out


def test_different_content_is_overwritten_only_on_request_else_nothing_is_sent(in_place, readings, capsys):
    in_place.data.put("site-a.csv", b"another")
    assert main(["upload", str(readings)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "different content under site-a.csv" in line
    assert "--overwrite" in line
    assert names(in_place.data) == ["site-a.csv"]
    assert main(["upload", str(readings), "--overwrite"]) == 0
    assert in_place.data.read("site-a.csv").data == ROW + b"site-a.csv"
    assert "1 of them over different content" in capsys.readouterr().out


def test_a_blob_that_appears_meanwhile_is_not_overwritten(in_place, settings, readings):
    file = readings / "site-a.csv"
    transport = InterruptingTransport(2, lambda: in_place.data.put("site-a.csv", b"another"))
    other = Store.connect(settings, transport=transport)
    with pytest.raises(InvalidRequest, match=r"different content under site-a\.csv"):
        sent(other.data, file)
    assert in_place.data.read("site-a.csv").data == b"another"
    other.close()


def test_the_same_content_that_appears_meanwhile_counts_as_ours(in_place, settings, readings):
    file = readings / "site-a.csv"
    transport = InterruptingTransport(2, lambda: sent(in_place.data, file))
    other = Store.connect(settings, transport=transport)
    sent(other.data, file)
    assert in_place.data.read("site-a.csv").data == file.read_bytes()
    other.close()


def test_a_file_that_grows_while_it_is_uploaded_is_reported(in_place, settings, readings):
    file = readings / "site-a.csv"

    def grow():
        with file.open("ab") as more:
            more.write(ROW)

    other = Store.connect(settings, transport=InterruptingTransport(2, grow))
    with pytest.raises(InvalidRequest, match=r"site-a\.csv changed while it was uploaded"):
        sent(other.data, file)
    other.close()


def test_a_large_file_is_sent_in_blocks_with_progress_and_keeps_its_md5(in_place, tmp_path):
    file = tmp_path / "large.csv"
    file.write_bytes(os.urandom(LARGE))
    steps: list[int] = []
    sent(in_place.data, file, advance=steps.append)
    assert sum(steps) == LARGE
    assert len(steps) > 2
    blob = in_place.data.find("large.csv")
    assert blob.size == LARGE
    assert blob.md5 == base64.b64encode(hashlib.md5(file.read_bytes()).digest()).decode()  # noqa: S324
    (again,) = compare(in_place.data.find, select_readings([file], by_date=False).files).same
    assert again.name == "large.csv"


def test_what_is_there_costs_one_request_for_each_file(in_place, settings, readings):
    sent(in_place.data, readings)
    transport = CountingTransport()
    other = Store.connect(settings, transport=transport)
    sent(other.data, readings)
    assert [request.split()[0] for request in transport.requests] == ["HEAD", "HEAD"]
    other.close()


def test_files_that_no_run_scores_are_named_and_left_out(in_place, readings, capsys):
    for name, content in ((".DS_Store", b"x"), ("_tmp/a.csv", ROW), ("empty.csv", b"")):
        (readings / name).parent.mkdir(exist_ok=True)
        (readings / name).write_bytes(content)
    assert main(["upload", str(readings)]) == 0
    assert names(in_place.data) == ["2018/08/site-b.csv", "site-a.csv"]
    err = capsys.readouterr().err
    assert "skipped .DS_Store: a part of its name starts with '_' or '.'" in err
    assert "skipped empty.csv: it is empty" in err


def test_models_go_to_their_container_and_other_files_of_the_folder_stay(in_place, tmp_path, capsys):
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("model_1_3.skops", "models.parquet", "README.md", "model_1_4.pkl", "model_a_b_c.skops"):
        (folder / name).write_bytes(b"content")
    assert main(["upload", "--models", str(folder)]) == 0
    assert names(in_place.models) == ["model_1_3.skops", "models.parquet"]
    assert names(in_place.data) == []
    out, err = capsys.readouterr()
    assert "next: python -m pipeline publish" in out
    assert "1 legacy pickle (model_1_4.pkl): run python -m scoring import-models" in err
    assert "as in 'a_b%5Fc' or 'a%5Fb_c'" in err
    assert "ignored, not models: README.md" in err


@pytest.fixture
def fleet(tmp_path):
    """A folder with a model for each of 100 sensors."""
    folder = tmp_path / "fleet"
    folder.mkdir()
    readings = np.random.default_rng(0).normal(50, 10, (50, 1))
    content = model_bytes(OneClassSVM(nu=0.1, gamma=0.3).fit(readings))
    for sensor in range(100):
        (folder / f"model_1_{sensor}.skops").write_bytes(content)
    return folder


def test_the_models_of_a_fleet_are_packed_and_a_machine_fetches_one_file(in_place, fleet, tmp_path, capsys):
    assert main(["upload", "--models", str(fleet)]) == 0
    out, err = capsys.readouterr()
    assert "uploaded 101 files" in out
    assert f"packing the models of {fleet} ..." in err
    models = tmp_path / "models"
    models.mkdir()
    fetched = fetch_models(in_place, tmp_path / "cache", models, ROOT)
    assert len(fetched.keys) == len(fetched.packed) == 100
    assert [path.name for path in models.iterdir()] == [PACK_NAME]


def test_the_models_of_a_fleet_that_are_there_cost_one_listing(in_place, fleet, azurite, monkeypatch, capsys):
    assert main(["upload", "--models", str(fleet)]) == 0
    with FaultProxy(azurite.ports["Blob"], lambda _: None) as proxy:
        monkeypatch.setenv("ScoringStorage", connection_string(proxy.port))
        assert main(["upload", "--models", str(fleet)]) == 0
        assert proxy.requests == 1
    assert "101 files already there" in capsys.readouterr().out


def test_a_new_model_needs_no_consent_to_replace_the_pack(in_place, fleet, capsys):
    assert main(["upload", "--models", str(fleet)]) == 0
    before = in_place.models.find(PACK_NAME)
    assert main(["upload", "--models", str(fleet)]) == 0
    assert in_place.models.find(PACK_NAME) == before
    (fleet / "model_2_1.skops").write_bytes((fleet / "model_1_1.skops").read_bytes())
    capsys.readouterr()
    assert main(["upload", "--models", str(fleet)]) == 0
    assert "uploaded 2 files, 1 of them over different content, 100 files already" in capsys.readouterr().out
    assert in_place.models.find(PACK_NAME).etag != before.etag
    (fleet / "model_2_1.skops").write_bytes(b"another")
    assert main(["upload", "--models", str(fleet)]) == 2
    err = capsys.readouterr().err
    assert "refused model_2_1.skops: " in err
    assert "different content under model_2_1.skops: it is not overwritten" in err


def test_a_part_of_a_fleet_is_not_packed(in_place, fleet, capsys):
    in_place.models.put("model_2_1.skops", b"a model of another folder")
    assert main(["upload", "--models", str(fleet)]) == 0
    assert in_place.models.find(PACK_NAME) is None
    in_place.models.delete("model_2_1.skops")
    (fleet / "model_1_0.skops").rename(fleet.parent / "model_1_0.skops")
    assert main(["upload", "--models", str(fleet), str(fleet.parent / "model_1_0.skops")]) == 0
    assert in_place.models.find(PACK_NAME) is None


def test_models_among_readings_are_refused_before_anything_is_sent(in_place, readings, capsys):
    (readings / "model_1_3.skops").write_bytes(b"a model")
    assert main(["upload", str(readings)]) == 2
    assert "model_1_3.skops is a model, not readings: add --models" in capsys.readouterr().err
    assert names(in_place.data) == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["gone.csv"], "there is no file or folder gone.csv"),
        (["empty"], "there is nothing to upload"),
        (["--models", "empty"], "no models in empty"),
        (["--models", "sites/2018/08"], "no models in sites/2018/08: ignored, not models: site-b.csv"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("in_place", "readings")
def test_nothing_to_upload_is_reported_in_one_line(tmp_path, capsys, words, complaint):
    (tmp_path / "empty").mkdir()
    assert main(["upload", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line


def test_only_models_beside_their_key_are_models(tmp_path):
    (tmp_path / "models.parquet").write_bytes(b"a pack")
    with pytest.raises(InvalidRequest, match="no models in"):
        select_models([tmp_path])
