"""What only the pipeline knows of a run: why it was started, when, its state and what went wrong."""

from dataclasses import dataclass
from pathlib import Path

from scoring.formats import FACTS_VERSION
from scoring.json_files import Document


@dataclass(frozen=True, slots=True)
class Trouble:
    """A step of the run that failed or was canceled."""

    step: str
    state: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Each fact can be unknown: the page then shows what is in the folder.

    `cause` is a sentence for people ("2018/08/28/site-a.csv arrived"), `state` the record's word; `asked`,
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

    @staticmethod
    def read(path: Path) -> "RunFacts":
        """The facts in a JSON file, `{"version": 1, ...}` with the names above; unknown names are ignored.

        Raises:
            ScoringError: the file holds no facts.
        """
        return _FACTS.read(path)


_FACTS = Document(
    RunFacts,
    FACTS_VERSION,
    "a file of facts on a run",
    "see `report --help` for an example",
    replace_surrogates=True,
)
