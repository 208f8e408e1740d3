import json
import re
import subprocess
from datetime import timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.local.graph import Pipeline
from pipeline.engines.local.placeholders import arguments, placeholders
from pipeline.errors import PublishError
from pipeline.published.build import MOST_AFTER, SCORE_FILE, ReadingLimits, build, check, step_name
from pipeline.settings import Settings
from scoring import InvalidKey, SensorKey
from scoring.mapping_text import parse

MAPPED = ReadingLimits(1, 1, 0.01, parse("ts='Zeit (UTC)' wide").encoded)
HOSTILE = [
    SensorKey("1", "3"),
    SensorKey("1_3", "5"),
    SensorKey("1", "3_5"),
    SensorKey("A", "b"),
    SensorKey("a", "B"),
    SensorKey("1e3", "0x1"),
    SensorKey("null", "true"),
    SensorKey("%", "="),
    SensorKey("$(reboot)", "; rm -rf ~"),
    SensorKey("${{inputs.data}}", "$[[x]]"),
    SensorKey("'", '"'),
    SensorKey("../..", "\\"),
    SensorKey("温度", "é"),
    SensorKey("x" * 128, "y" * 100),
    SensorKey("x" * 128, "y" * 101),
]


LIMITS = ReadingLimits(4, 10_240)


def documents(
    keys,
    *,
    shards=None,
    time_limit=timedelta(minutes=60),
    limits=LIMITS,
    environment="azureml:fleet-scoring:v1",
    code="azureml:fleet-scoring:v2",
):
    return build(
        keys,
        shards=shards,
        time_limit=time_limit,
        limits=limits,
        environment=environment,
        code=code,
    )


def fleet(count):
    return [SensorKey(str(number // 100), str(number % 100)) for number in range(count)]


def read(made):
    return yaml.safe_load(made.pipeline_yml), yaml.safe_load(made.score_yml)


@st.composite
def keys(draw):
    try:
        return SensorKey(draw(st.text(min_size=1, max_size=20)), draw(st.text(min_size=1, max_size=20)))
    except InvalidKey:
        return SensorKey("1", "1")


def test_each_sensor_has_a_step_that_is_given_its_key():
    pipeline, _ = read(documents([SensorKey("2", "1"), SensorKey("1", "3")]))
    assert list(pipeline["jobs"]) == ["score_1_3", "score_2_1", "collect"]
    step = pipeline["jobs"]["score_1_3"]
    assert step["inputs"]["key"] == "1_3"
    assert step["limits"] == {"timeout": 3600}
    assert step["component"] == "./score.yml"


def test_collect_comes_after_every_step_also_after_those_that_fail():
    pipeline, _ = read(documents(fleet(3)))
    collect = pipeline["jobs"]["collect"]
    after = {name for name in collect["inputs"] if name.startswith("after_")}
    assert after == {f"after_{name}" for name in pipeline["jobs"] if name != "collect"}
    assert all(collect["component"]["inputs"][name]["optional"] for name in after)


def test_steps_that_only_wait_mount_nothing():
    """An input without a mode is a mount of the whole container, for each step that is waited for."""
    pipeline, _ = read(documents(fleet(MOST_AFTER + 1)))
    for name, node in pipeline["jobs"].items():
        after = {key: value for key, value in node["inputs"].items() if key.startswith("after_")}
        assert all(value["mode"] == "direct" for value in after.values())
        if name.startswith("gather_"):
            assert after == node["inputs"]
            assert after.keys() == node["component"]["inputs"].keys()
            assert node["outputs"]["preds"]["mode"] == "direct"
        else:
            assert {"data", "manifest", "models", "run"} <= node["inputs"].keys()


def test_only_more_steps_than_one_can_wait_for_are_gathered_first():
    for count, gathers in ((MOST_AFTER, 0), (MOST_AFTER + 1, 2)):
        pipeline, _ = read(documents(fleet(count)))
        assert sum(name.startswith("gather_") for name in pipeline["jobs"]) == gathers


def test_no_step_reuses_the_result_of_an_equal_one():
    pipeline, score = read(documents(fleet(3)))
    assert score["is_deterministic"] is False
    assert pipeline["jobs"]["collect"]["component"]["is_deterministic"] is False


def test_the_same_fleet_gives_the_same_bytes_in_any_order():
    assert documents(HOSTILE) == documents(reversed(HOSTILE))
    assert documents(HOSTILE).version == documents([*HOSTILE, HOSTILE[0]]).version


@pytest.mark.parametrize(
    "other",
    [
        documents(fleet(4)),
        documents(fleet(3), time_limit=timedelta(minutes=5)),
        documents(fleet(3), environment="azureml:fleet-scoring:v3"),
        documents(fleet(3), code="azureml:fleet-scoring:v3"),
        documents(fleet(3), shards=2),
        documents(fleet(3), limits=ReadingLimits(8, 10_240)),
    ],
    ids=["another sensor", "time limit", "environment", "code", "shards", "limits"],
)
def test_a_change_of_what_runs_changes_the_version(other):
    assert other.version != documents(fleet(3)).version
    assert re.fullmatch(r"v[0-9a-f]{16}", other.version)


def test_steps_that_read_get_the_limits_for_files():
    pipeline, score = read(documents(fleet(3), limits=ReadingLimits(8, 99, 0.25)))
    collect = pipeline["jobs"]["collect"]["component"]["command"]
    assert score["command"].endswith("--max-row-mb 8 --max-unpacked-mb 99")
    assert collect.endswith("--exit-zero --max-row-mb 8 --max-unpacked-mb 99 --max-rejected 0.25")


def test_steps_get_the_gap_and_the_least_length_of_episodes_only_where_they_are_set():
    pipeline, score = read(documents(fleet(3)))
    assert "episode" not in score["command"] + pipeline["jobs"]["collect"]["component"]["command"]
    limits = ReadingLimits(8, 99, episode_gap=100_000_000.0, episode_least=1)
    pipeline, score = read(documents(fleet(3), limits=limits))
    assert score["command"].endswith("--max-unpacked-mb 99 --episode-gap 100000000")
    assert pipeline["jobs"]["collect"]["component"]["command"].endswith("--episode-least 1")


def test_a_mapping_reaches_a_step_unchanged_through_a_shell_and_through_the_local_engine():
    text = json.dumps(
        {"site a/": "ts='Zeit $(x)' wide='${{inputs.key}},\"b\",ü'", "": {"ts-format": "%d.%m.%Y %H"}}
    )
    settings = Settings.from_environment(
        {"ScoringStorage": "UseDevelopmentStorage=true", "SCORING_MAPPING": text}
    )
    limits = ReadingLimits(4, 10_240, 0.01, settings.mapping or "")
    pipeline, score = read(documents(fleet(3), limits=limits))
    values = {name: name for name in placeholders(score["command"])}
    for command in (score["command"], pipeline["jobs"]["collect"]["component"]["command"]):
        words = arguments(command, values)
        assert parse(words[words.index("--mapping") + 1]) == parse(text)
    option = f"--mapping {settings.mapping}"
    shell = ["/bin/bash", "-c", f"printf '%s %s' {option}"]
    assert subprocess.run(shell, check=True, capture_output=True, text=True).stdout == option


def test_with_shards_new_sensors_change_nothing():
    many = documents(fleet(11), shards=10)
    assert (many.sharded, many.steps) == (True, 10)
    assert many.version == documents(fleet(5000), shards=10).version
    pipeline, _ = read(many)
    shards = [job["inputs"]["shard"] for job in pipeline["jobs"].values() if "shard" in job["inputs"]]
    assert shards == [f"{index}/10" for index in range(10)]
    assert not documents(fleet(10)).sharded


@pytest.mark.parametrize("sensors", [190, 191, 400])
def test_no_step_has_more_inputs_than_azure_ml_allows_and_collect_comes_after_all(sensors):
    made = documents(fleet(sensors))
    assert (made.steps, made.sharded) == (sensors, False)
    nodes = Pipeline.read(made.pipeline_yml, {SCORE_FILE: made.score_yml}).nodes
    assert nodes[-1].name == "collect"
    assert all(len(node.inputs) <= 200 for node in nodes)
    needs = {node.name: node.needs for node in nodes}
    before = needs["collect"]
    while more := frozenset().union(*(needs[name] for name in before)) - before:
        before |= more
    assert before == needs.keys() - {"collect"}
    assert len([name for name in before if name.startswith("score_")]) == sensors


@given(st.sets(keys(), min_size=2))
def test_every_sensor_has_a_step_name_of_its_own_that_azure_ml_takes(found):
    names = {step_name(key) for key in found}
    assert len(names) == len(found)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,99}", name) for name in names)
    assert "collect" not in names


@given(st.lists(keys(), min_size=1, max_size=3))
def test_what_comes_from_data_stands_in_values_only(found):
    made = documents(found)
    assert made.score_yml == documents([SensorKey("1", "1")]).score_yml
    nodes = Pipeline.read(made.pipeline_yml, {SCORE_FILE: made.score_yml}).nodes
    steps = [node for node in nodes if "key" in node.inputs]
    assert {node.inputs["key"] for node in steps} == {key.encoded for key in found}
    for node in steps:
        given_values = {"data": "d", "manifest": "m", "models": "o", "run": "r"}
        command = node.arguments(given_values, {}, "p")
        assert command == [
            *("python", "-m", "scoring", "score", "--data", "d", "--manifest=m", "--models", "o"),
            *(f"--key={node.inputs['key']}", "--out", "p/r", *str(LIMITS).split()),
        ]


@pytest.mark.parametrize(
    "made",
    [documents(HOSTILE), documents(fleet(11), shards=10), documents([SensorKey("1", "1")])],
    ids=["hostile names", "shards", "one sensor"],
)
def test_azure_ml_loads_and_accepts_both_documents_from_disk(made, tmp_path):
    from azure.ai.ml import load_component

    (tmp_path / "pipeline.yml").write_bytes(made.pipeline_yml)
    (tmp_path / SCORE_FILE).write_bytes(made.score_yml)
    score = load_component(tmp_path / SCORE_FILE)
    pipeline = load_component(tmp_path / "pipeline.yml")
    for component in (score, pipeline):
        assert component._validate().passed
    # It stands for what would be sent: values as we wrote them, a mount for what steps write.
    sent = pipeline._to_rest_object().properties.component_spec["jobs"]
    assert len(sent) == made.steps + 1
    own = {
        job["inputs"][name]["value"]
        for job in sent.values()
        for name in ("key", "shard")
        if name in job["inputs"]
    }
    assert len(own) == made.steps
    assert {job["outputs"]["preds"]["mode"] for job in sent.values()} == {"ReadWriteMount"}
    if not made.sharded:
        assert own <= {key.encoded for key in [*HOSTILE, SensorKey("1", "1")]}


@pytest.mark.parametrize("shards", [None, 1, 16, 400])
@pytest.mark.parametrize(
    "limits",
    [
        LIMITS,
        ReadingLimits(1, 99, 0),
        ReadingLimits(8, 1, 1 / 3),
        ReadingLimits(1, 1, 1e-9),
        ReadingLimits(4, 10, 0.01, episode_gap=90.5, episode_least=3),
        MAPPED,
    ],
)
def test_what_is_built_is_recognised(shards, limits):
    keys = [key for key in HOSTILE if len(key.encoded) < 240] if shards is None else fleet(3)
    made = documents(keys, shards=shards, limits=limits, time_limit=timedelta(seconds=7))
    check(made.pipeline_yml, made.score_yml)


def test_a_large_fleet_whose_steps_are_gathered_is_recognised():
    made = documents(fleet(3 * MOST_AFTER))
    check(made.pipeline_yml, made.score_yml)


@pytest.mark.parametrize(
    "change",
    [
        (b"python -m scoring score", b"python -m scoring collect"),
        (b"scoring collect", b"scoring collect; reboot;"),
        (b"key: '0_3'", b"key: '0_3; reboot'"),
        (b"score_0_3:", b"../../score:"),
        (b"${{parent.inputs.data}}", b"/etc"),
        (b"timeout: 3600", b"timeout: [1]"),
        (b"--max-rejected 0.01", b"--max-rejected 0.01 --expected /etc/passwd"),
        (b"--max-row-mb 4", b"--max-row-mb 5"),
        (b"--max-row-mb", b"--mapping $(reboot) --max-row-mb"),
        (b"rw_mount", b"direct"),
        (b"type: pipeline", b"type: pipeline\nmore: true"),
        (b"name: fleet_scoring", b"name: !!python/object/apply:os.system [reboot]"),
        (b"jobs:", b"[" * 5000),
    ],
)
def test_documents_with_anything_else_in_them_are_refused(change):
    made = documents(fleet(4))
    before, after = change
    changed = made.pipeline_yml.replace(before, after, 1), made.score_yml.replace(before, after, 1)
    assert changed != (made.pipeline_yml, made.score_yml)
    with pytest.raises(PublishError, match="publish again"):
        check(*changed)
