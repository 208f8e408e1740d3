"""What a folder of models holds that is not a model, by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring import InvalidKey, SensorKey, describe_others


@pytest.mark.parametrize(
    "name",
    [
        "model_1_3",
        "model_1_3.pkl",
        "model_1_3.joblib.gz",
        "model_1_3.PICKLE",
        "model_a_b_c.sav",
        "model_1_3.z",
    ],
)
def test_a_legacy_pickle_is_recognised_by_its_name(name):
    (line,) = describe_others([name])
    assert line.startswith(f"1 legacy pickle ({name}): run python -m scoring import-models FOLDER NEW")


def test_many_files_of_a_kind_are_one_line_each():
    lines = describe_others(
        [
            *(f"model_1_{number}.pkl" for number in range(15)),
            "model_pump_1_temp.skops",
            "model_pump_1_flow.skops",
            "README.md",
            "models.parquet",
            "model_1_3.skops",
            "model_1_3.pkl_01.npy",
        ]
    )
    assert len(lines) == 3
    legacy, wrong, others = lines
    assert legacy == (
        "15 legacy pickles (model_1_0.pkl, model_1_1.pkl, model_1_2.pkl and 12 more): "
        "run python -m scoring import-models FOLDER NEW, and use the models in NEW"
    )
    assert wrong == (
        "not used, 'model_pump_1_temp.skops' is not the name of a model: "
        "'pump_1_temp' is not an encoded sensor key such as '1_3': an underscore inside Device or Sensor is "
        "written %5F, as in 'pump_1%5Ftemp' or 'pump%5F1_temp' (2 such names)"
    )
    assert others == "ignored, not models: README.md"


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("pump_1_temp", "'pump_1%5Ftemp' or 'pump%5F1_temp'"),
        ("a b_c", "'a%20b_c'"),
        ("é_1", "'%C3%A9_1'"),
    ],
)
def test_a_wrong_key_is_shown_with_a_right_one(text, instead):
    with pytest.raises(InvalidKey) as caught:
        SensorKey.from_encoded(text)
    assert str(caught.value).endswith(f"as in {instead}")
    for key in instead.split(" or "):
        assert SensorKey.from_encoded(key.strip("'"))


@given(st.lists(st.text(max_size=40)))
def test_any_names_are_described_in_few_lines(names):
    assert len(describe_others(names)) <= 3
