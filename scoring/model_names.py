"""Files in a folder of models that are not models, by their names: legacy pickles, wrong names, others."""

import re
from collections.abc import Iterable

from scoring.formats import BESIDE_MODELS
from scoring.keys import MODEL_PREFIX, MODEL_SUFFIX, InvalidKey, SensorKey
from scoring.printable import printable

_PICKLE, _COMPRESSED = r"\.(?:pkl|pickle|joblib|sav)", r"\.(?:z|gz|bz2|xz|lzma)"
LEGACY_ENDING = re.compile(f"(?:{_PICKLE})?(?:{_COMPRESSED})?$", re.IGNORECASE)
"""What can follow the key in the name of a legacy model."""
LEGACY_COPY = re.compile(f"(?P<good>.+?{_PICKLE})(?![a-z])", re.IGNORECASE)
"""A name that continues after its extension, as that of a copy."""
_LEGACY = re.compile(f"{MODEL_PREFIX}[^.]+(?:{_PICKLE})?(?:{_COMPRESSED})?", re.IGNORECASE)
_LEGACY_ARRAY = re.compile(r".+_[0-9]{2,}\.npy")
_MOST = 3
"""Names that a line repeats."""


def is_legacy_array(name: str) -> bool:
    """Whether it is an array of an old joblib file, beside it."""
    return _LEGACY_ARRAY.fullmatch(name) is not None


def may_be_legacy(name: str) -> bool:
    """Whether it is named like a model, or ends like a pickle."""
    ending = LEGACY_ENDING.search(name)
    return name.startswith(MODEL_PREFIX) or bool(ending and ending[0])


def describe_others(names: Iterable[str], folder: str = "FOLDER") -> list[str]:
    """What the files of a folder of models are that are not models: a line for each kind, with what to do.

    `names` are all names in `folder`; models, what is used beside them and hidden files are not described.
    """
    legacy, wrong, others = [], [], []
    for name in names:
        if name.startswith("."):
            continue
        try:
            SensorKey.from_model_name(name)
        except InvalidKey as error:
            if name.startswith(MODEL_PREFIX) and name.endswith(MODEL_SUFFIX):
                wrong.append(str(error))
            elif _LEGACY.fullmatch(name):
                legacy.append(name)
            elif name not in BESIDE_MODELS and not is_legacy_array(name):
                others.append(name)
    lines = []
    if legacy:
        pickles = "1 legacy pickle" if len(legacy) == 1 else f"{len(legacy):,} legacy pickles"
        convert = f"run python -m scoring import-models {folder} NEW, and use the models in NEW"
        lines.append(f"{pickles} ({_some(legacy)}): {convert}")
    if wrong:
        more = f" ({len(wrong):,} such names)" if len(wrong) > 1 else ""
        lines.append(f"not used, {wrong[0]}{more}")
    if others:
        lines.append(f"ignored, not models: {_some(others)}")
    return lines


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    return ", ".join(printable(name[:80]) for name in names[:_MOST]) + more
