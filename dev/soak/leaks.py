"""Detects processes whose memory or open files keep growing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

_WARM_UP = 30.0
"""Seconds at the start of each process that are ignored."""
_SHORTEST_LIFE = 90.0
"""Processes that live for fewer seconds are not judged."""
_MEMORY_FACTOR, _MORE_FILES = 1.25, 20
"""Growth of memory, as a factor, and of open files that is tolerated."""


def growth(samples: Iterable[tuple[float, int, int, int]]) -> Iterator[str]:
    """Processes that grew; samples are time in seconds, process ID, bytes of memory and open files."""
    lives: defaultdict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for time, process, size, files in samples:
        lives[process].append((time, size, files))
    for process, life in lives.items():
        first, last = life[0][0], life[-1][0]
        if last - first < _SHORTEST_LIFE:
            continue
        warm = [sample for sample in life if sample[0] >= first + _WARM_UP]
        third = max(1, len(warm) // 3)
        before, after = warm[:third], warm[-third:]
        memory = [median(sample[1] for sample in part) for part in (before, after)]
        opened = [median(sample[2] for sample in part) for part in (before, after)]
        if memory[1] > _MEMORY_FACTOR * memory[0]:
            yield f"process {process} from {memory[0] / 2**20:.0f} to {memory[1] / 2**20:.0f} MB"
        if opened[1] > opened[0] + _MORE_FILES:
            yield f"process {process} from {opened[0]:.0f} to {opened[1]:.0f} open files"
