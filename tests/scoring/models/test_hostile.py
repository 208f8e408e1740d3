"""Hundreds of hostile models: each fails its own sensor in one line, and the sensor beside it is scored."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from scoring import SensorKey
from scoring.errors import ModelError
from scoring.formats import PACK_NAME
from scoring.models.files import load_model, model_from
from scoring.models.pack_writer import write_pack
from scoring.models.store import ModelStore
from tests.scoring.models.documents import Document
from tests.scoring.models.hostile import FIELDS, fitted, harmless, hostile
from tests.scoring.models.hostile_packs import hostile_packs
from tests.scoring.models.measure import MOST_MEGABYTES, MOST_SECONDS, PROBE, measured
from tests.scoring.run_command import scoring
from tests.scoring.watched import watched

GOOD = SensorKey("good", "1")

pytestmark = [pytest.mark.usefixtures("measured"), pytest.mark.slow]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The hostile models, and the harmless ones, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("hostile")
    found = {}
    for number, (name, content) in enumerate([*hostile(), *harmless()]):
        assert name not in found
        found[name] = folder / SensorKey("hostile", str(number)).model_name
        found[name].write_bytes(content)
    return found


def refused(files: dict[str, Path]) -> dict[str, Path]:
    return {name: path for name, path in files.items() if not name.startswith("beside")}


def test_there_are_hundreds_and_every_kind_is_among_them(files: dict[str, Path]) -> None:
    assert len(refused(files)) >= 300
    kinds = Counter(name.partition(" ")[0] for name in files)
    for kind, fields in FIELDS.items():
        for field in fields:
            assert kinds[f"{kind}.{field}"] >= 3


def test_the_models_that_they_were_made_of_are_good() -> None:
    for kind in FIELDS:
        model_from(fitted(kind), GOOD).detector.predict(PROBE)


def test_hostile_models_fail_their_own_sensors_and_the_one_beside_them_is_scored(
    files: dict[str, Path], tmp_path: Path
) -> None:
    models, out = tmp_path / "models", tmp_path / "out"
    models.mkdir()
    for path in files.values():
        (models / path.name).hardlink_to(path)
    (models / GOOD.model_name).write_bytes(fitted("OneClassSVM"))
    keys = {name: SensorKey.from_model_name(path.name) for name, path in files.items()}
    rows = [f"2024-01-01 00:00:00,{key.device},{key.sensor},50\n" for key in [*keys.values(), GOOD]]
    (tmp_path / "readings.csv").write_text("TS,Device,Sensor,Value\n" + "".join(rows))
    done = watched(
        tmp_path, [out], "score", "--data", tmp_path / "readings.csv", "--models", models, "--out", out
    )
    assert done.returncode == 1
    summary = json.loads((out / "summary.json").read_text())
    sensors = {(sensor["device"], sensor["sensor"]): sensor for sensor in summary["sensors"]}
    assert sensors[GOOD.device, GOOD.sensor]["status"] == "scored"
    for name, key in keys.items():
        sensor = sensors[key.device, key.sensor]
        if name.startswith("beside"):
            assert sensor["status"] == "scored", name
        else:
            assert sensor["status"] == "failed", name
            assert sensor["reason"].startswith(f"{key.model_name}: "), name
            assert sensor["reason"].isprintable(), name
            assert len(sensor["reason"]) < 1000, name


def test_pack_refuses_what_score_refuses_with_the_same_words(files: dict[str, Path], tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    # It names 20 at most.
    chosen = [path for name, path in refused(files).items() if name.endswith((" NaN", "missing"))][::5][:20]
    for path in chosen:
        (models / path.name).hardlink_to(path)
    done = scoring("pack", "--models", models)
    for path in chosen:
        with pytest.raises(ModelError) as error:
            load_model(models, SensorKey.from_model_name(path.name))
        assert str(error.value) in done.err


def test_each_is_refused_by_pack_with_the_words_of_score(files: dict[str, Path], tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for path in files.values():
        (models / path.name).hardlink_to(path)
    report = write_pack(models)
    assert set(report.refused) == {path.name for path in refused(files).values()}
    for name, reason in report.refused.items():
        with pytest.raises(ModelError) as error:
            load_model(models, SensorKey.from_model_name(name))
        assert str(error.value) == f"{name}: {reason}"


def test_each_takes_two_seconds_and_300_megabytes_at_most(files: dict[str, Path]) -> None:
    names = {path.name: name for name, path in files.items()}
    for each in measured("model", list(files.values())):
        assert each["seconds"] < MOST_SECONDS, (names[each["name"]], each)
        assert each["megabytes"] < MOST_MEGABYTES, (names[each["name"]], each)


def test_a_version_that_is_none_is_not_repeated() -> None:
    document = Document(fitted("OneClassSVM"))
    document.attributes("OneClassSVM").update(
        _sklearn_version=document.node("1.9\n\x1b[2J"), _gamma=document.node("wide")
    )
    with pytest.raises(ModelError) as error:
        model_from(document.packed(), GOOD)
    assert str(error.value) == f"{GOOD.model_name}: _gamma of its OneClassSVM is not a number; save it again"


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A hostile pack beside a good model, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("packs")
    (folder / GOOD.model_name).write_bytes(fitted("OneClassSVM"))
    write_pack(folder)
    found = {}
    for number, (name, content) in enumerate(hostile_packs((folder / PACK_NAME).read_bytes())):
        found[name] = folder / str(number) / PACK_NAME
        found[name].parent.mkdir()
        found[name].write_bytes(content)
        # With the size and times that the pack has of it.
        (found[name].parent / GOOD.model_name).hardlink_to(folder / GOOD.model_name)
    return found


def test_a_hostile_pack_is_not_used_or_answers_like_the_single_file(packs: dict[str, Path]) -> None:
    labels, scores = model_from(fitted("OneClassSVM"), GOOD).detector.predict(PROBE)
    for name, path in packs.items():
        store = ModelStore(path.parent)
        assert store.notice is None or "\n" not in store.notice
        found = store.get(GOOD).detector.predict(PROBE)
        if name != "numbers of zeros":  # it says of itself that it is right
            assert np.array_equal(found[0], labels), name
            assert np.array_equal(found[1], scores), name


@pytest.mark.parametrize("what", ["pack", "list"])
def test_each_pack_takes_two_seconds_and_300_megabytes_at_most(packs: dict[str, Path], what: str) -> None:
    for name, each in zip(packs, measured(what, list(packs.values())), strict=True):
        assert each["seconds"] < MOST_SECONDS, name
        assert each["megabytes"] < MOST_MEGABYTES, name
