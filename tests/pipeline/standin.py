"""Stands in for `python -m scoring` in tests of the pipeline: it is quick, and does what a model says.

Copied to `<code>/scoring/__main__.py`, beside the real `formats.py`. A model's file holds one line:

    score            predict every reading of its sensor
    fail REASON      write a failed outcome, exit code 1
    exit N           print an error, write nothing
    sleep SECONDS    then score
    wait PATH        until it exists, then score
    die              be killed
    say BYTES        print this many bytes and a last line, then score
    note PATH        write start and end times to PATH, a second apart, then score
    flaky PATH       fail once with a transient error; PATH records that
    spawn PATH       start a process that would outlive the step, write its id to PATH, and sleep

A run of all tests starts hundreds of these: it imports little.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from scoring.formats import (
    OUTCOME_VERSION,
    OUTCOMES_FOLDER,
    PREDICTION_COLUMNS,
    REPORT_HTML,
    SUCCESS,
    SUMMARY_JSON,
    SUMMARY_VERSION,
    LandingStatus,
    SensorStatus,
)


class Options:
    """What follows the command: each option with its value."""

    def __init__(self, words: list[str]) -> None:
        left = iter(word for word in words if word != "--exit-zero")  # the only one without a value
        texts = {}
        for word in left:
            name, equals, text = word.removeprefix("--").partition("=")
            texts[name] = text if equals else next(left)
        self.data, self.manifest = Path(texts["data"]), Path(texts["manifest"])
        self.models, self.out = Path(texts.get("models", "")), Path(texts.get("out", ""))
        self.preds, self.run = Path(texts.get("preds", "")), texts.get("run")
        self.key, self.shard = texts.get("key", ""), texts.get("shard")


def main() -> int:
    options = Options(sys.argv[2:])
    return score(options) if sys.argv[1] == "score" else collect(options)


def readings(args: Options) -> list[dict[str, str]]:
    rows = []
    for landing in json.loads(args.manifest.read_text())["landings"]:
        if not landing.get("found"):
            lines = (args.data / landing.get("file", landing["name"])).read_text().splitlines()
            rows += [dict(zip(lines[0].split(","), line.split(","), strict=True)) for line in lines[1:]]
    return rows


def key_of(row: dict[str, str]) -> str:
    return f"{row['Device']}_{row['Sensor']}"


def is_listed(args: Options, key: str) -> bool:
    """Whether the manifest lists this sensor; without a list, it means all."""
    listed = json.loads(args.manifest.read_text()).get("sensors")
    return listed is None or key in listed


def score(args: Options) -> int:
    if args.shard:
        models = sorted(path.stem.removeprefix("model_") for path in args.models.glob("model_*"))
        index, count = map(int, args.shard.split("/"))
        keys = [key for number, key in enumerate(models) if number % count == index]
        return max((score_key(args, key) for key in keys if is_listed(args, key)), default=0)
    return score_key(args, args.key) if is_listed(args, args.key) else 0


def pause(word: str, rest: str) -> None:
    if word == "sleep":
        time.sleep(float(rest))
    while word == "wait" and not Path(rest).exists():
        time.sleep(0.1)


def score_key(args: Options, key: str) -> int:
    word, _, rest = (args.models / f"model_{key}.skops").read_text().strip().partition(" ")
    if word == "exit":
        print("error: as the model says")
        return int(rest)
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    pause(word, rest)
    if word == "say":
        print("x" * int(rest), "the last line", sep="\n")
    if word == "note":
        began = time.time()
        time.sleep(1)
        with Path(rest).open("a") as notes:
            notes.write(f"{began} {time.time()}\n")
    if word == "flaky" and not Path(rest).exists():
        Path(rest).touch()
        print("error: not this time")
        return 75
    if word == "spawn":
        import subprocess

        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(rest).write_text(str(child.pid))
        time.sleep(600)
    rows = [row for row in readings(args) if key_of(row) == key]
    device, sensor = key.split("_")
    outcome = {"device": device, "sensor": sensor, "status": SensorStatus.SCORED, "reason": None}
    if word == "fail":
        outcome |= {"status": SensorStatus.FAILED, "reason": rest}
    else:
        lines = [",".join(PREDICTION_COLUMNS)]
        lines += [f"{row['TS']},{device},{sensor},{row['Value']},0,0.5" for row in rows]
        write(args.out / f"preds_{key}.csv", "\n".join(lines) + "\n")
    document = {"version": OUTCOME_VERSION, "step": key, "sensors": [outcome], "landings": []}
    write(args.out / OUTCOMES_FOLDER / f"{key}.json", json.dumps(document))
    if word == "fail":
        print(f"error: {rest}")
    return 1 if word == "fail" else 0


def collect(args: Options) -> int:
    rows = [row for row in readings(args) if is_listed(args, key_of(row))]
    found: dict[str, Any] = {}
    for path in sorted(args.models.glob("model_*")):  # without an outcome it stays missing
        device, sensor = path.stem.removeprefix("model_").split("_")
        found[f"{device}_{sensor}"] = {"device": device, "sensor": sensor, "status": SensorStatus.MISSING}
    for path in (args.preds / OUTCOMES_FOLDER).glob("*.json"):
        found |= {f"{one['device']}_{one['sensor']}": one for one in json.loads(path.read_text())["sensors"]}
    sensors: list[dict[str, Any]] = []
    for key, sensor in found.items():
        count = sum(key_of(row) == key for row in rows)
        if sensor["status"] != SensorStatus.MISSING or count:
            sensors.append({"reason": None, **sensor, "readings": count})
        if sensor["status"] != SensorStatus.SCORED:
            (args.preds / f"preds_{key}.csv").unlink(missing_ok=True)
    scored = [sensor for sensor in sensors if sensor["status"] == SensorStatus.SCORED]
    landings = [
        {"name": one["name"], "status": one.get("found", LandingStatus.READ), "reason": one.get("reason")}
        for one in json.loads(args.manifest.read_text())["landings"]
    ]
    totals = {
        "readings": len(rows),
        "scored": sum(sensor["readings"] for sensor in scored),
        "rejected": 0,
        "sensors": len(sensors),
    }
    document = {
        "version": SUMMARY_VERSION,
        "run": args.run,
        "totals": totals,
        "sensors": sensors,
        "landings": landings,
    }
    write(args.preds / SUMMARY_JSON, json.dumps(document))
    write(args.preds / REPORT_HTML, "<!doctype html><title>report</title>")
    write(args.preds / SUCCESS, "")
    return 0


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.partial")
    part.write_text(text)
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
