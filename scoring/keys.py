"""Sensor keys, and the file names made from them."""

import re
import unicodedata
from typing import NamedTuple, Self

from scoring.errors import ScoringError

MAX_KEY_PART = 128
"""Longest Device or Sensor, in characters."""

MAX_ENCODED_KEY = 240
"""Longest `{device}_{sensor}` in a file name: most file systems stop at 255 bytes, prefix included."""

MODEL_PREFIX, MODEL_SUFFIX = "model_", ".skops"
PREDS_PREFIX, PREDS_SUFFIX = "preds_", ".csv"

_PLAIN = re.compile(r"[A-Za-z0-9%.~-]+")


class InvalidKey(ScoringError, ValueError):
    """A text that is not a sensor key, or a file name without one."""


class _Key(NamedTuple):
    device: str
    sensor: str


class SensorKey(_Key):
    """One sensor of one device; it has one model.

    A tuple, because a fleet's keys are looked up for every batch of readings, and tuples are hashed,
    compared and sorted in C.
    """

    __slots__ = ()

    def __new__(cls, device: str, sensor: str) -> Self:
        """Make a key.

        Raises:
            InvalidKey: the texts are not a key.
        """
        key = super().__new__(cls, device, sensor)
        together = device + sensor
        if device and sensor and len(together) <= MAX_KEY_PART and _encodes_as_itself(together):
            return key  # nearly all keys are
        for what, text in (("Device", device), ("Sensor", sensor)):
            if reason := invalid_part(text):
                raise InvalidKey(f"{what} {text[:40]!r} {reason}")
        if len(key.encoded) > MAX_ENCODED_KEY:
            raise InvalidKey(
                f"Device and Sensor {key.encoded[:40]!r}... are too long together to name a file "
                f"({len(key.encoded)} characters encoded, {MAX_ENCODED_KEY} at most)"
            )
        return key

    def __str__(self) -> str:
        return f"{self.device}/{self.sensor}"

    @property
    def encoded(self) -> str:
        """`{device}_{sensor}`, percent-encoded: letters, digits and `%.~-` only, safe in any name."""
        return f"{encode_part(self.device)}_{encode_part(self.sensor)}"

    @classmethod
    def from_encoded(cls, encoded: str) -> Self:
        """The key that `encoded` names.

        Raises:
            InvalidKey: it is not a key, or not in the one encoding that its key has.
        """
        parts = encoded.split("_")
        if (
            len(parts) == 2  # noqa: PLR2004
            and len(encoded) <= MAX_KEY_PART
            and _encodes_as_itself(parts[0])
            and _encodes_as_itself(parts[1])
        ):
            return cls._make(parts)  # not checked again: a fleet has many
        if len(parts) != 2 or not all(_PLAIN.fullmatch(part) for part in parts):  # noqa: PLR2004
            raise InvalidKey(
                f"{encoded[:80]!r} is not an encoded sensor key such as '1_3'{_instead(encoded)}"
            )
        from urllib.parse import unquote_to_bytes

        try:
            key = cls(*(unquote_to_bytes(part).decode() for part in parts))
        except UnicodeDecodeError as error:
            raise InvalidKey(f"{encoded[:80]!r} is not percent-encoded UTF-8") from error
        if key.encoded != encoded:
            raise InvalidKey(f"{encoded[:80]!r} should be {key.encoded!r}")
        return key

    @property
    def model_name(self) -> str:
        """File name of this key's model."""
        return f"{MODEL_PREFIX}{self.encoded}{MODEL_SUFFIX}"

    @property
    def preds_name(self) -> str:
        """File name of this key's predictions."""
        return f"{PREDS_PREFIX}{self.encoded}{PREDS_SUFFIX}"

    @classmethod
    def from_model_name(cls, name: str) -> Self:
        """The key whose model has this file name.

        Raises:
            InvalidKey: this is not the name of a model.
        """
        if not (name.startswith(MODEL_PREFIX) and name.endswith(MODEL_SUFFIX)):
            raise InvalidKey(f"{name[:80]!r} is not the name of a model, such as 'model_1_3.skops'")
        try:
            return cls.from_encoded(name[len(MODEL_PREFIX) : -len(MODEL_SUFFIX)])
        except InvalidKey as error:
            raise InvalidKey(f"{name[:80]!r} is not the name of a model: {error}") from error


def encode_part(text: str) -> str:
    """Percent-encode one part of a key, `_` too, so that `_` can separate the parts."""
    if _encodes_as_itself(text):
        return text
    from urllib.parse import quote

    return quote(text, safe="").replace("_", "%5F")


def _instead(text: str) -> str:
    """What to write instead of a text that is not an encoded key, where that is clear."""
    parts = text.split("_")
    if "%" in text or not all(parts) or len(parts) == 1:
        return ""
    splits = (("_".join(parts[:cut]), "_".join(parts[cut:])) for cut in range(1, len(parts)))
    keys = [repr(f"{encode_part(device)}_{encode_part(sensor)}"[:80]) for device, sensor in splits]
    which = keys[0] if len(keys) == 1 else f"{keys[0]} or {keys[1]}"
    rule = "an underscore inside Device or Sensor is written %5F" if len(keys) > 1 else "percent-encode it"
    return f": {rule}, as in {which}"


def _encodes_as_itself(text: str) -> bool:
    """Whether `text` is ASCII letters and digits only, as most keys are."""
    return text.isascii() and text.isalnum()


def invalid_part(text: str) -> str | None:
    """Why `text` cannot be a Device or a Sensor, or None where it can be."""
    if not text:
        return "is empty"
    if len(text) > MAX_KEY_PART:
        return f"has more than {MAX_KEY_PART} characters"
    if text.isascii() and text.isprintable():
        return None
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        return "has a control character"
    return None
