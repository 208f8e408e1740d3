"""Words that stand in place of values in the first rows of a file, such as `Bad` and `No Data`."""

from collections import Counter
from collections.abc import Iterable

from scoring.readings import hints
from scoring.readings.samples import Sample, decimal_of

_MOST_WORDS = 5
"""A column with more distinct words holds texts, and not values that are missing."""

_OFTEN = 2
"""A word that does not mean a missing value is one if it stands this often in a column of numbers."""


def find_missing_words(sample: Sample, places: Iterable[int]) -> tuple[str, ...]:
    """The words in those of these columns that hold numbers, in order of their first rows."""
    found: dict[str, None] = {}
    for place in places:
        texts = sample.column(place)
        words = Counter(text for text in texts if not any(map(str.isdigit, text)) and text.isprintable())
        if not 0 < len(words) <= _MOST_WORDS or decimal_of(texts) is None:
            continue
        found |= {
            word: None
            for word, count in words.items()
            if count >= _OFTEN or hints.of_value(word) == hints.MISSING
        }
    return tuple(found) if len(found) <= _MOST_WORDS else ()
