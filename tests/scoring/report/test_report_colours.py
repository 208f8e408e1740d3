"""Colours of the pages: readable by everybody, in light and in dark, also who sees fewer of them."""

import re
from pathlib import Path

import numpy as np
import pytest

from scoring.report import sensor_views

CSS = (Path(sensor_views.__file__).parent / "assets" / "look.css").read_text()

TEXT, GRAPHICS = 4.5, 3.0
"""Contrasts that WCAG 2.2 asks for at level AA."""

# Machado, Oliveira and Fernandes 2009, at full severity, on linear RGB.
VISIONS = {
    "usual": np.eye(3),
    "no red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue cones": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def scheme(number: int) -> dict[str, np.ndarray]:
    """Opaque colours of a scheme as linear RGB: 0 is light, 1 is dark."""
    block = re.split(r"^ *color-scheme: ", CSS, flags=re.MULTILINE)[number + 1]
    found = re.findall(r"--([\w-]+): #([0-9a-f]{6})", block)
    return {
        name: linear(np.array([int(text[i : i + 2], 16) for i in (0, 2, 4)]) / 255) for name, text in found
    }


def linear(rgb: np.ndarray) -> np.ndarray:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def luminance(colour: np.ndarray) -> float:
    return float(colour @ [0.2126, 0.7152, 0.0722])


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """CIE 1976: about 2 can just be told apart side by side."""
    return float(np.linalg.norm(lab(one) - lab(other)))


def lab(colour: np.ndarray) -> np.ndarray:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(to_xyz @ np.clip(colour, 0, 1) / [0.9505, 1, 1.089], 1e-6, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


pytestmark = pytest.mark.parametrize("colours", [scheme(0), scheme(1)], ids=["light", "dark"])


def test_all_text_can_be_read(colours: dict[str, np.ndarray]) -> None:
    pairs = [(text, ground) for text in ("ink", "muted", "link", "bad") for ground in ("ground", "card")]
    pairs += [(f"on-{step}", f"share-{step}") for step in range(6)]
    low = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: round(found, 2) for pair, found in low.items() if found < TEXT} == {}


def test_marks_and_edges_stand_out_from_the_card(colours: dict[str, np.ndarray]) -> None:
    for name in ("anomaly", "edge", "hatch"):
        assert contrast(colours[name], colours["card"]) >= GRAPHICS, name


@pytest.mark.parametrize("vision", VISIONS)
def test_anomalies_do_not_look_like_boundaries(colours: dict[str, np.ndarray], vision: str) -> None:
    anomaly, edge = (VISIONS[vision] @ colours[name] for name in ("anomaly", "edge"))
    assert difference(anomaly, edge) > 30


@pytest.mark.parametrize("vision", VISIONS)
def test_shares_are_told_apart_by_lightness_alone(colours: dict[str, np.ndarray], vision: str) -> None:
    shares = [lab(VISIONS[vision] @ colours[f"share-{step}"])[0] for step in range(1, 6)]
    steps = np.diff(shares) * np.sign(shares[-1] - shares[0])
    assert steps.min() > 5, [round(float(share)) for share in shares]
    none, least = (VISIONS[vision] @ colours[f"share-{step}"] for step in (0, 1))
    assert difference(none, least) > 5
