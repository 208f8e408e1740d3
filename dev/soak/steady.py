"""Whether processes keep to the memory and the files that they had after a while."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

_WARM = 30.0
"""Seconds of each process that do not count."""
_ENOUGH = 90.0
"""Seconds of life, below which nothing can be told."""
_MEMORY, _FILES = 1.25, 20
"""Times the memory, and how many more files, that are no growth."""


def growth(samples: Iterable[tuple[float, int, int, int]]) -> Iterator[str]:
    """What grew: samples are time in seconds, process, bytes of memory and open files."""
    lives: defaultdict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for time, process, memory, files in samples:
        lives[process].append((time, memory, files))
    for process, life in lives.items():
        first, last = life[0][0], life[-1][0]
        if last - first < _ENOUGH:
            continue
        warm = [sample for sample in life if sample[0] >= first + _WARM]
        third = max(1, len(warm) // 3)
        before, after = warm[:third], warm[-third:]
        held = [median(sample[1] for sample in part) for part in (before, after)]
        opened = [median(sample[2] for sample in part) for part in (before, after)]
        if held[1] > _MEMORY * held[0]:
            yield f"process {process} from {held[0] / 2**20:.0f} to {held[1] / 2**20:.0f} MB"
        if opened[1] > opened[0] + _FILES:
            yield f"process {process} from {opened[0]:.0f} to {opened[1]:.0f} open files"
