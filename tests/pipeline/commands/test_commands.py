import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.engines.local.placeholders import CommandError, arguments, placeholders, resolve

TEMPLATE = "python -m scoring score --data ${{inputs.data}} $[[--key=${{inputs.key}}]] --out ${{outputs.o}}/x"

hostile = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "$(touch x)",
            "`touch x`",
            "; rm -rf ~",
            "a b\tc\nd",
            "'\"'",
            "\\",
            "${{inputs.key}}",
            "${{inputs.data}}",
            "$[[x]]",
            "]]",
            "}}",
            "--out=/etc",
            "",
            "%24",
            "\x00",
            "*",
            "~",
            "$HOME",
        ]
    ),
)


@given(data=hostile, key=hostile, out=hostile)
@example(data="${{outputs.o}}", key="${{inputs.key}}", out="$[[")
def test_a_value_is_part_of_one_argument_and_never_expanded(data, key, out):
    values = {"inputs.data": data, "inputs.key": key, "outputs.o": out}
    assert arguments(TEMPLATE, values) == [
        *("python", "-m", "scoring", "score", "--data", data, f"--key={key}", "--out", f"{out}/x")
    ]


@given(data=hostile, out=hostile)
def test_an_optional_part_without_its_input_is_dropped(data, out):
    values = {"inputs.data": data, "outputs.o": out}
    assert arguments(TEMPLATE, values, {"inputs.key"}) == [
        *("python", "-m", "scoring", "score", "--data", data, "--out", f"{out}/x")
    ]


def test_an_optional_part_can_be_several_arguments():
    template = "run $[[--key ${{ inputs.key }} --more]] end"
    assert arguments(template, {"inputs.key": "a b"}) == ["run", "--key", "a b", "--more", "end"]
    assert arguments(template, {}, {"inputs.key"}) == ["run", "end"]


def test_blanks_in_placeholders_and_quotes_in_templates_are_understood():
    assert arguments(
        "run '${{ inputs.a }} and more' \"${{inputs.b}}\"", {"inputs.a": "'", "inputs.b": ""}
    ) == [*("run", "' and more", "")]


@pytest.mark.parametrize(
    "template",
    [
        "run ${{inputs.other}}",
        "run $[[--x=${{inputs.other}}]]",
        "run ${{inputs}}",
        "run ${{inputs.a",
        "run ${{}}",
        "run ${{ inputs.a + 1 }}",
        "run ${{inputs.${{inputs.a}}}}",
        "run $[[--x",
        "run 'open",
        "",
        "$[[--x=${{inputs.gone}}]]",
    ],
)
def test_what_is_not_understood_is_an_error_and_never_reaches_a_command(template):
    with pytest.raises(CommandError):
        arguments(template, {"inputs.a": "1"}, {"inputs.gone"})


def test_an_input_without_a_value_is_named_with_those_that_have_one():
    with pytest.raises(CommandError, match=r"\$\{\{inputs.b\}\} in .* known placeholders: inputs.a"):
        arguments("run ${{inputs.b}}", {"inputs.a": "1"}, {"inputs.b"})


def test_bindings_of_a_pipeline_are_resolved_the_same_way():
    values = {"parent.inputs.run": "${{parent.inputs.x}}", "parent.jobs.s.outputs.preds": "/p"}
    assert resolve("${{parent.inputs.run}}", values) == "${{parent.inputs.x}}"
    assert resolve("${{parent.jobs.s.outputs.preds}}/a", values) == "/p/a"
    assert placeholders("${{parent.inputs.run}}${{ parent.jobs.s.outputs.preds }}") == list(values)


def test_hostile_values_arrive_as_they_are_in_a_real_process():
    values = ["$(id)", "a b\nc", "'\"`", "${{inputs.v0}}", "--help", "*", "\\n"]
    template = "python -c 'import sys; print(sys.argv[1:])' " + " ".join(
        f"${{{{inputs.v{number}}}}}" for number in range(len(values))
    )
    command = arguments(template, {f"inputs.v{number}": value for number, value in enumerate(values)})
    done = subprocess.run([sys.executable, *command[1:]], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(values)
