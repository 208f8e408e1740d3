"""Two hundred hostile files: nothing of them runs, each is refused in one line, and the others go on."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from scoring import SensorKey
from tests.scoring.hostile_files import MARKER, broken_pickles, broken_skops, good_skops, pickles

pytestmark = pytest.mark.usefixtures("measured")

ROOT = Path(__file__).resolve().parents[2]

WATCH = """\
import os, sys
sys.path.insert(0, sys.argv[1])
log, allowed = open(sys.argv[2], "w"), [os.path.realpath(path) for path in sys.argv[3].split(os.pathsep)]
NEVER = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pickle.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def hook(event, args):
    if event.startswith(NEVER) or (event == "import" and args[0] == "antigravity"):
        print(event, args, file=log, flush=True)
    elif event == "open" and isinstance(args[0], str) and isinstance(args[2], int) and args[2] & WRITING:
        path = os.path.realpath(args[0])
        if path != os.devnull and not any(path.startswith(folder + os.sep) for folder in allowed):
            print("write", path, file=log, flush=True)
sys.dont_write_bytecode = True
"""

WATCHED = f"""{WATCH}
import scoring.cli
import numpy, pyarrow, sklearn.pipeline, sklearn.preprocessing, sklearn.svm, skops.io
sys.addaudithook(hook)
sys.exit(scoring.cli.main(sys.argv[4:]))
"""


def watched(folder: Path, writes: list[Path], *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command, and see that it starts nothing, connects nowhere and writes nothing elsewhere."""
    log = folder / "audit.log"
    allowed = ":".join(map(str, writes))
    command = [sys.executable, "-c", WATCHED, str(ROOT), str(log), allowed, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert log.read_text() == ""
    assert not list(folder.rglob(f"*{MARKER}*"))
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def good_pickle() -> bytes:
    import skops.io

    return pickle.dumps(skops.io.loads(good_skops(), trusted=[]))


@pytest.mark.parametrize("way", ["reduce-0", "reduce-4", "inst", "obj"])
def test_the_gadgets_do_run_where_pickles_are_trusted_and_the_watch_sees_it(tmp_path: Path, way: str) -> None:
    (tmp_path / "gadget").write_bytes(dict(pickles())[f"os-system-{way}"])
    code = f"{WATCH}sys.addaudithook(hook)\nimport pickle; pickle.loads(open('gadget', 'rb').read())"
    command = [sys.executable, "-c", code, str(ROOT), "audit.log", ""]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    assert (tmp_path / MARKER).exists()
    assert "os.system" in (tmp_path / "audit.log").read_text()


@pytest.mark.slow
def test_hostile_pickles_are_refused_line_by_line_and_nothing_of_them_runs(
    tmp_path: Path, good_pickle: bytes
) -> None:
    source, models = tmp_path / "old", tmp_path / "new"
    source.mkdir()
    hostile = [*pickles(), *broken_pickles(good_pickle)]
    assert len(hostile) > 150
    names = [f"model_{name}_{number}.pkl" for number, (name, _) in enumerate(hostile)]
    names[0] = "model_..%2F..%2Fx_1.skops"
    names[1] = "model_..%2F..%2Fx_1"
    for name, (_, content) in zip(names, hostile, strict=True):
        (source / name).write_bytes(content)
    (source / "model_good_1").write_bytes(good_pickle)
    done = watched(tmp_path, [models], "import-models", source, models)
    assert done.returncode == 1
    assert done.stdout == f"imported 1 of {len(hostile) + 1} models -> {models}\n"
    lines = [line for line in done.stderr.splitlines() if not line.startswith("importing: ")]
    assert len(lines) == len(hostile)
    for name in names:
        (line,) = [line for line in lines if line.startswith(f"refused {name!r}: ")]
        assert line.isprintable()
    assert [path.name for path in models.iterdir()] == ["model_good_1.skops"]


@pytest.mark.slow
def test_hostile_models_fail_their_own_sensors_and_nothing_of_them_runs(
    tmp_path: Path, good_pickle: bytes
) -> None:
    models, out, data = tmp_path / "models", tmp_path / "out", tmp_path / "readings.csv"
    models.mkdir()
    hostile = [*broken_skops(), *pickles(), *broken_pickles(good_pickle)]
    assert len(hostile) > 200
    keys = [SensorKey(f"../{name}", str(number)) for number, (name, _) in enumerate(hostile)]
    good = SensorKey("good", "1")
    for key, (_, content) in zip(keys, hostile, strict=True):
        (models / key.model_name).write_bytes(content)
    (models / good.model_name).write_bytes(good_skops())
    rows = [f"2024-01-01 00:00:00,{key.device},{key.sensor},1.5\n" for key in [*keys, good]]
    data.write_text("TS,Device,Sensor,Value\n" + "".join(rows))
    done = watched(tmp_path, [out], "score", "--data", data, "--models", models, "--out", out)
    assert done.returncode == 1
    summary = json.loads((out / "summary.json").read_text())
    found = {(sensor["device"], sensor["sensor"]): sensor for sensor in summary["sensors"]}
    assert found["good", "1"]["status"] == "scored"
    for key in keys:
        sensor = found[key.device, key.sensor]
        assert sensor["status"] == "failed", key
        assert sensor["reason"].startswith(f"{key.model_name}: ")
        assert sensor["reason"].isprintable()
    assert summary["totals"]["sensors_failed"] == len(hostile)
    assert [path.name for path in out.glob("preds_*")] == [good.preds_name]
