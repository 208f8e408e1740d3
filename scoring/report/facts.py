"""What only the pipeline knows of a run: why it was started, and when."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from scoring.errors import ScoringError

VERSION = 1


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All of it may be unknown: the page then shows what the folder tells.

    `cause` is a sentence a person reads ("2018/08/28/site-a.csv landed"), `state` the record's word,
    `started` and `ended` are ISO 8601 texts, `seconds` the time between them.
    """

    run: str | None = None
    cause: str | None = None
    state: str | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """The facts in a JSON file, `{"version": 1, ...}` with the names above; unknown names are let be.

        Raises:
            ScoringError: the file holds no facts.
        """
        try:
            document = json.loads(path.read_bytes())
            if document["version"] != VERSION:
                raise ScoringError(
                    f"{path}: version {document['version']} is not {VERSION}; update this project"
                )
            known = {field.name: document.get(field.name) for field in fields(cls)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ScoringError(f"{path} holds no facts of a run: {error!r}") from error
        return cls(**{name: _checked(path, name, value) for name, value in known.items()})


def _checked(path: Path, name: str, value: Any) -> Any:
    expected = (int, float) if name == "seconds" else str
    if value is None or (isinstance(value, expected) and not isinstance(value, bool)):
        return value
    raise ScoringError(
        f"{path}: {name} should be {'a number' if name == 'seconds' else 'text'}, not {value!r}"
    )
