"""Fuzz targets: readers of documents from outside. Each takes bytes and fails only if there is a bug."""

import gzip
import io
import json
import shlex
import socket
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import yaml
from hypothesis import strategies as st

from dev.host.endpoints import WrongInput, _Handler
from pipeline.engines.local import step_states
from pipeline.engines.local.graph import Pipeline
from pipeline.engines.summary import read_status
from pipeline.errors import PipelineError
from pipeline.flow import sweep
from pipeline.published import publish
from pipeline.published.build import SCORE_FILE, ReadingLimits, build, check
from pipeline.runs.landing import Manifest
from pipeline.runs.record import RunRecord
from pipeline.settings import Settings
from scoring import SensorKey
from scoring.errors import ReadingsError, ScoringError
from scoring.formats import PACK_NAME
from scoring.mapping import PLAIN, Mapping
from scoring.mapping_text import parse
from scoring.models.pack_writer import write_pack
from scoring.models.store import ModelStore
from scoring.readings.files import Source, read_batches, read_sample
from scoring.readings.manifest import RunManifest
from scoring.readings.suggest import suggest
from tests.fuzz.models import PROBE, check_words, legacy_file, model_file
from tests.fuzz.mutation import changed_json, damaged
from tests.scoring.models.hostile import MODELS, fitted

TESTS = Path(__file__).parents[1]
SAMPLES = TESTS / "pipeline" / "samples"
LEGACY = TESTS / "scoring" / "legacy" / "models"
KEYS = (SensorKey("1", "1"), SensorKey("1", "2"))

READINGS = (
    b"TS,Device,Sensor,Value\n2026-01-01 00:00:00,1,1,20.5\n2026-01-01T00:00:05Z,1,2,-3e2\n",
    b'\xef\xbb\xbfunit,Value,Sensor,Device,TS\r\n"\xc2\xb0C",1.5,"a ""b""",pump 7,2026-01-01\r\n',
)

MAPPED = (
    'Zeit;Ort;a;"b;c"\n01.02.2026 10:00;x;1,5;1.234,5\n31.01.2026;y;;2\n'.encode("utf-16"),
    b"#group,false\n#datatype,string\n#default,_result\n,result,_time,_value,_field,host\n,,2026-01-01,1,a,b\n",
    b"time|device|x\n1767225600.5|1.0|3\n1767225601000||4\n",
)
MAPPING_TEXTS = (
    b"ts='Zeit (UTC)' wide=a,b device-from=file decimal=comma delimiter=bar encoding=cp1252 ts-zone=+01:00",
    b'{"site/": {"ts-format": "%d.%m.%Y %H:%M", "wide": true}, "": "sensor-is=a value=b device-is=c"}',
)
MAPPINGS = tuple(
    parse(text).of("")
    for text in (
        "ts=Zeit device=Ort wide decimal=comma ts-format=day-first ts-zone=Europe/Berlin",
        "wide ts-format=unix-s delimiter=bar",
        "device=host sensor=_field",
        "ts=Zeit wide device-is=x encoding=utf-16",
        "ts=Zeit wide device-is=x encoding=gb18030 ts-format='%d %b %Y'",
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of document."""

    read: Callable[[bytes], object]
    allowed: type[Exception]
    """The exception that the reader may raise."""
    inputs: st.SearchStrategy[bytes]

    def try_out(self, content: bytes) -> None:
        """Read it; any error but the one that is allowed, with a line of words, is a bug."""
        words = "it was read"
        try:
            self.read(content)
        except self.allowed as error:
            words = str(error)
        check_words(words)


def targets(folder: Path) -> dict[str, Target]:
    """All targets by name; they write into `folder`."""
    return {**_readings(folder), **_documents(folder), **_models(folder), "host request": _host_request()}


def _readings(folder: Path) -> dict[str, Target]:
    file = folder / "readings"

    def read(content: bytes, mapping: Mapping = PLAIN) -> None:
        file.write_bytes(content)
        for batch in read_batches(Source("it", file, mapping=mapping), block_bytes=64):
            assert len(batch.codes) == len(batch.ts) == len(batch.values)
            assert np.isfinite(batch.values).all()

    def read_mapped(content: bytes) -> None:
        for mapping in MAPPINGS:
            with suppress(ReadingsError):
                read(content, mapping)
        for source in (Source("it", file), Source("it", file, mapping=MAPPINGS[0])):
            with suppress(ReadingsError):
                sample = read_sample(source)
                suggest(sample, source.name)

    def parse_words(content: bytes) -> None:
        for _, mapping in parse(content.decode(errors="replace")).by_prefix:
            assert parse(str(mapping)).of("") == mapping

    table = pa.table(
        {
            "TS": ["2026-01-01 00:00:00", "2026-01-02"],
            "Device": [1, 2],
            "Sensor": ["1", "b"],
            "Value": [1.5, None],
        }
    )
    parquet = []
    for options in ({}, {"compression": "none", "use_dictionary": False}, {"compression": "zstd"}):
        stream = io.BytesIO()
        pa_parquet.write_table(table, stream, **options)
        parquet.append(stream.getvalue())
    zipped = [gzip.compress(text, mtime=0) for text in READINGS]
    return {
        "csv": Target(read, ScoringError, damaged(READINGS)),
        "mapped readings": Target(read_mapped, ScoringError, damaged(MAPPED)),
        "mapping": Target(parse_words, ScoringError, damaged(MAPPING_TEXTS)),
        "gzip": Target(read, ScoringError, st.one_of(damaged(zipped), damaged(READINGS).map(gzip.compress))),
        "parquet": Target(read, ScoringError, damaged(parquet)),
    }


def _documents(folder: Path) -> dict[str, Target]:
    manifest_file = folder / "manifest.json"

    def read_manifest(content: bytes) -> None:
        manifest_file.write_bytes(content)
        RunManifest.read(manifest_file)

    manifest = (SAMPLES / "manifest-1.json").read_bytes()
    record = (SAMPLES / "record-1.json").read_bytes()
    readers: dict[str, tuple[Callable[[bytes], object], type[Exception], bytes]] = {
        "manifest of a step": (read_manifest, ScoringError, manifest),
        "manifest of a run": (lambda data: Manifest.from_bytes(data, "it"), PipelineError, manifest),
        "record": (lambda data: RunRecord.from_bytes(data, "it").to_bytes(), PipelineError, record),
        "summary": (lambda data: read_status(data, "it", ()), PipelineError, _SUMMARY),
        "watermark": (
            lambda data: sweep.read_watermark(data, "it").to_bytes(),
            PipelineError,
            (SAMPLES / "watermark-1.json").read_bytes(),
        ),
        "steps": (lambda data: step_states.from_bytes(data, "it"), PipelineError, _STEPS),
        "published": (lambda data: publish.from_bytes(data, "it"), PipelineError, _PUBLISHED),
    }
    found = {
        name: Target(reader, allowed, st.one_of(damaged([seed]), changed_json([seed])))
        for name, (reader, allowed, seed) in readers.items()
    }
    documents = build(
        KEYS,
        shards=None,
        time_limit=timedelta(minutes=1),
        limits=ReadingLimits(4, 10_240),
        environment="azureml:a:1",
        code="c",
    )
    score = documents.score_yml

    def read_pipeline(content: bytes) -> None:
        for node in Pipeline.read(content, {SCORE_FILE: score}).nodes:
            node.arguments(dict.fromkeys(("data", "manifest", "models", "run"), "x"), {}, "preds")

    def check_published(content: bytes) -> None:
        """What passes the check is executed, so it must be what was built."""
        check(content, score)
        jobs = yaml.safe_load(content)["jobs"]
        commands = {job["component"]["command"] for job in jobs.values() if job["component"] != "./score.yml"}
        assert all(shlex.split(command)[:4] == ["python", "-m", "scoring", "collect"] for command in commands)

    def read_settings(content: bytes) -> None:
        lines = content.decode(errors="replace").split("\n")
        pairs = (line.partition("=") for line in lines)
        Settings.from_environment({name: text for name, _, text in pairs if name})

    return found | {
        "published documents": Target(check_published, PipelineError, damaged([documents.pipeline_yml])),
        "pipeline": Target(read_pipeline, PipelineError, damaged([documents.pipeline_yml])),
        "settings": Target(read_settings, PipelineError, damaged([_SETTINGS])),
    }


def _host_request() -> Target:
    """Bytes that a client sends to the development host, and the answers to each of its requests."""

    def call(text: str, invocation: str) -> NoReturn:
        raise WrongInput(text)

    server = SimpleNamespace(calls={"f": call}, queue=lambda _: None, errors=[])

    def read(content: bytes) -> None:
        client, there = socket.socketpair()
        with client, there:
            there.settimeout(10)
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            _Handler(there, ("127.0.0.1", 1), cast("Any", server))
            there.close()
            answer = client.makefile("rb").read()
        assert not answer or answer.startswith((b"HTTP/1.", b"{", b"<!DOCTYPE")), answer[:80]

    return Target(read, OSError, damaged(_REQUESTS))


def model_seeds(name: str) -> list[bytes]:
    """Whole files that are damaged: small ones of every kind that is supported."""
    if name == "pickle":
        files = sorted(file for file in LEGACY.glob("*/*") if file.suffix in {".pkl", ".joblib"})
        return [file.read_bytes() for file in files]
    return [fitted(kind) for kind in MODELS]


def _models(folder: Path) -> dict[str, Target]:
    models = folder / "models"
    models.mkdir()
    files = model_seeds("model")
    for key, content in zip(KEYS, files, strict=False):
        (models / key.model_name).write_bytes(content)
    write_pack(models)
    schemas = [_member(content, "schema.json") for content in files]
    pack = (models / PACK_NAME).read_bytes()

    def read_schema(content: bytes) -> None:
        for whole in files:
            model_file(_with_schema(whole, content))

    def read_pack(content: bytes) -> None:
        (models / PACK_NAME).write_bytes(content)
        store = ModelStore(models)
        for key in KEYS:
            store.get(key).detector.predict(PROBE)

    return {
        "model": Target(model_file, ScoringError, damaged(files)),
        "schema of a model": Target(
            read_schema, ScoringError, st.one_of(damaged(schemas), changed_json(schemas))
        ),
        "pack": Target(read_pack, ScoringError, damaged([pack])),
        "pickle": Target(legacy_file, ScoringError, damaged(model_seeds("pickle"))),
    }


def _member(content: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name)


def _with_schema(content: bytes, schema: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w") as target:
        for name in archive.namelist():
            target.writestr(name, schema if name == "schema.json" else archive.read(name))
    return out.getvalue()


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


_SUMMARY = _json(
    {
        "version": 1,
        "run": "blob-1",
        "totals": {"readings": 2, "scored": 1, "rejected": 1, "anomalies": 0, "sensors": 2},
        "sensors": [
            {"device": "1", "sensor": "1", "status": "scored", "reason": None},
            {"device": "1", "sensor": "2", "status": "failed", "reason": "it is broken"},
        ],
        "landings": [{"name": "a.csv", "status": "unreadable", "reason": "it is empty"}],
    }
)
_STEPS = _json(
    {
        "version": 1,
        "steps": [
            {
                "name": "score_1_1",
                "state": "running",
                "started": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
                "ended": None,
                "tries": 1,
                "error": None,
            }
        ],
        "result": {"state": "partly", "retry": True, "missing": ["1_4"], "counts": {"scored": 4}},
    }
)
_REQUESTS = (
    (
        b"POST /admin/functions/f HTTP/1.1\r\nHost: 127.0.0.1:7071\r\nContent-Type: application/json\r\n"
        b'Content-Length: 19\r\n\r\n{"input": "data/a"}'
    ),
    (
        b"POST /runtime/webhooks/blobs?functionName=Host.Functions.f HTTP/1.1\r\nHost: localhost\r\n"
        b"aeg-event-type: Notification\r\nContent-Length: 61\r\n\r\n"
        b'[{"data": {"url": "http://127.0.0.1:10000/account/data/a.b"}}]'
    ),
    b"GET /admin/host/status HTTP/1.1\r\nHost: localhost:7071\r\n\r\nGET /admin/functions HTTP/1.0\r\n\r\n",
    b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nWebHook-Request-Origin: a\r\nContent-Length: -1\r\n\r\n",
)
_PUBLISHED = _json({"version": 1, "published": "v1", "engine": "local", "component": None, "steps": 2})
_SETTINGS = b"""ScoringStorage=UseDevelopmentStorage=true
ScoringStorage__blobServiceUri=https://a.blob.core.windows.net
SCORING_ENGINE=azureml
AZURE_SUBSCRIPTION_ID=00000000-0000-0000-0000-000000000000
AZURE_RESOURCE_GROUP=g
AZUREML_WORKSPACE_NAME=w
AZUREML_COMPUTE=c
SCORING_MAX_STEPS=10
SCORING_GRACE_MINUTES=1.5
SCORING_SCHEDULE=0 */5 * * * *
SCORING_DATA_CONTAINER=data"""
