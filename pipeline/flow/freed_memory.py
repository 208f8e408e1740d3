"""Freed memory that goes back to the operating system."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of glibc."""
_KEPT = 1 << 17
"""Bytes: what both are until glibc raises them."""


def give_back() -> None:
    """Give back what glibc keeps of freed memory; other C libraries give it back by themselves.

    It keeps some for each thread, and the more, the larger the blocks that were freed. A host calls functions
    in many threads: each that had swept once kept up to 8 MB, the text of a page.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        for threshold in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            libc.mallopt(threshold, _KEPT)
        libc.malloc_trim(0)
