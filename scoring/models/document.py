"""What a model's file of any format describes: names of classes and their attributes, as inert values.

A value is None, a bool, an int, a float, a str, a tuple, a list, a dict with such values, a numpy array of
numbers (also of dimension 0; structured only for the nodes of a tree), or another `Described`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_VERSION = re.compile(r"\d[\d.a-z+]{0,19}", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """An object as its file describes it.

    Attributes:
        class_name: without its module, such as `OneClassSVM`: modules changed between versions.
        attributes: by name. A format can read each only when it is asked for, and raise a ModelError then:
            what no prediction needs is never read. Check for a name with `in`.
        module: where the class lived, for messages only.
    """

    class_name: str
    attributes: Mapping[str, Any]
    module: str = ""

    @property
    def name(self) -> str:
        """The full name, for messages."""
        return f"{self.module}.{self.class_name}" if self.module else self.class_name

    @property
    def version(self) -> str | None:
        """The version of scikit-learn that wrote it, where known: before 0.18 it was not recorded."""
        found = self.attributes.get("_sklearn_version")
        return found if isinstance(found, str) and _VERSION.fullmatch(found) else None
