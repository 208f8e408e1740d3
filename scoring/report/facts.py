"""What only the pipeline knows of a run: why it was started, when, how it stands and what went wrong."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from scoring.errors import ScoringError
from scoring.formats import FACTS_VERSION

_NUMBERS = {"seconds": (int, float), "tries": (int,)}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A step of the run that did not do its work."""

    step: str
    state: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """All of it may be unknown: the page then shows what the folder tells.

    `cause` is a sentence a person reads ("2018/08/28/site-a.csv landed"), `state` the record's word; `asked`,
    `started` and `ended` are ISO 8601 texts, `seconds` the time from the first to the last of them;
    `published` is the version of the pipeline, `error` what went wrong in one line, `steps` how many steps
    there are ("14 of 16 succeeded") and `troubles` those that failed.
    """

    run: str | None = None
    cause: str | None = None
    state: str | None = None
    asked: str | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    published: str | None = None
    tries: int | None = None
    error: str | None = None
    steps: str | None = None
    troubles: tuple[Trouble, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The facts in a JSON file, `{"version": 1, ...}` with the names above; unknown names are let be.

        Raises:
            ScoringError: the file holds no facts.
        """
        try:
            document = json.loads(path.read_bytes())
            if document["version"] != FACTS_VERSION:
                raise ScoringError(
                    f"{path}: version {document['version']} is not {FACTS_VERSION}; update this project"
                )
            names = [field.name for field in fields(cls) if field.name != "troubles"]
            known = {name: _checked(path, name, document.get(name)) for name in names}
            troubles = tuple(
                Trouble(**{name: _checked(path, name, row.get(name)) for name in ("step", "state", "error")})
                for row in document.get("troubles") or ()
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ScoringError(f"{path} holds no facts of a run: {error!r}") from error
        return cls(**known, troubles=troubles)


def _checked(path: Path, name: str, value: Any) -> Any:
    expected: tuple[type, ...] = _NUMBERS.get(name, (str,))
    if value is None or (isinstance(value, expected) and not isinstance(value, bool)):
        return value
    raise ScoringError(
        f"{path}: {name} should be {'a number' if name in _NUMBERS else 'text'}, not {value!r}"
    )
