"""Plain English: words that were replaced by standard terms do not come back, in text or in names."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPO = Path(__file__).parents[1]

REPLACED = {
    "told|tells": "reports, reported; logs, logged; says",
    "again and again": "repeatedly",
    "none of ours": "not one of ours",
    "so many": "the number, or what it is",
    "whatever|whoever": "what it is, who it is",
    "(take|takes|taken|taking|took) up": "resume",
    "(is|are|was|were|not|steps|runs) over": "has finished",
    "let(s|ting)? be": "ignore",
    "(is|was|are|were) let be": "is ignored",
    "attend(s|ed|ing)?": "recover",
    "spoils?": "has an invalid",
    "found out": "detected",
    "looked at": "checked",
    "hush(es|ed|ing)?": "redact",
    "keeper": "orphan killer",
    "board": "step states",
    "verdicts?": "outcome, summary",
    "surroundings": "environment, local settings",
    "breathes": "is alive",
    "spelt out": "explicit",
    "written down": "stored",
    "said": "output, message; reports",
    "(go|goes|gone|went) on": "continue",
    "(hand|hands|handed) in": "submit",
    "(look|looks|looked) into": "list, check, expand",
    "spoilt": "invalid, damaged",
    "wrong use": "usage error",
    "no part of": "not part of",
    "(takes?|taken|took) for": "mistake for",
    "landed": "arrived or was uploaded (a blob), is written (a result)",
    "another content": "different content",
    "(is|are|was|were) no (failures?|listings?)": "is not a, are not",
    "hangs? on": "depends on",
    "asked for by hand": "requested manually",
}
"""Patterns of what not to write, and what to write instead. A space also stands for an underscore: names are
English too."""

ALLOWED = {
    ("tests/dev/recorded/timer.json", "told"): "a recording keeps its own words",
    ("tests/dev/test_timers.py", "told"): "a field of that recording",
    ("tests/pipeline/samples/ended-1.txt", "landed"): "a document as it was stored by an earlier version",
}
"""Exceptions with their reason, by file and text: terms of a field and quotations."""

THIS_FILE = "tests/test_language.py"
LOCK_FILES = {"package-lock.json", "requirements.txt", "requirements-run.txt", "requirements-dev.txt"}

_GAP = r"""[\s_#*/|"'-]+(?:[fr]+["'])?"""
"""Between two words: also the start of a comment line, or of the next string of a long text."""
_PATTERN = re.compile(
    rf"(?<![a-z])({'|'.join(f'(?:{words})' for words in REPLACED).replace(' ', _GAP)})(?![a-z])",
    re.IGNORECASE,
)


class Finding(NamedTuple):
    """A replaced word in a file."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text!r}; write: {instead_of(self.text)}"


def instead_of(text: str) -> str:
    words = re.sub(_GAP, " ", text.lower())
    return next(better for pattern, better in REPLACED.items() if re.fullmatch(pattern, words))


def find(file: str, text: str) -> Iterator[Finding]:
    for match in _PATTERN.finditer(text):
        yield Finding(file, text.count("\n", 0, match.start()) + 1, match[0])


def tree() -> Iterator[Finding]:
    """Findings in all text files of the repository except this one and lock files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in sorted({name for name in names if name and name != THIS_FILE}):
        path = REPO / name
        if path.name in LOCK_FILES or not path.is_file():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # an image, a model
        yield from find(name, text)


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return list(tree())


def test_replaced_words_do_not_come_back(findings):
    new = [str(finding) for finding in findings if (finding.file, finding.text) not in ALLOWED]
    assert not new, "\n".join(["", *new])


def test_every_exception_is_still_needed(findings):
    found = {(finding.file, finding.text) for finding in findings}
    assert ALLOWED.keys() <= found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A run is over.", 1),
        ("def test_the_user_is_told():", 1),
        ("first\n# a run that is taken\n# up", 2),
        ('say(\n    "a run that is "\n    f"over"\n)', 2),
        ("Whoever reads this", 1),
    ],
)
def test_a_replaced_word_is_found_with_its_line(text, line):
    findings = list(find("a.md", text))
    assert findings[0].line == line
    assert str(findings[0]).startswith(f"a.md:{line}: ")


@pytest.mark.parametrize("text", ["a keyboard", "over budget", "attention", "the landing", "takes_uploads"])
def test_other_words_are_allowed(text):
    assert list(find("a.md", text)) == []
