"""Sensor keys: each has one encoding, and each encoding one key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.keys import InvalidKey, SensorKey


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_every_key_is_read_again_from_the_names_of_its_files(device: str, sensor: str) -> None:
    try:
        key = SensorKey(device, sensor)
    except InvalidKey:
        return
    assert SensorKey.from_encoded(key.encoded) == key
    assert SensorKey.from_model_name(key.model_name) == key


@pytest.mark.parametrize(
    "name",
    ["model_%31_3.skops", "model_1_%5f.skops", "model_1.skops", "model_1_2_3.skops", "model__3.skops"],
    ids=["a digit encoded", "lower-case hex", "one part", "three parts", "an empty part"],
)
def test_another_encoding_is_not_the_name_of_a_model(name: str) -> None:
    with pytest.raises(InvalidKey):
        SensorKey.from_model_name(name)
