"""Workers of the local engine that are alive."""

import psutil

MODULE = "pipeline.engines.local.worker"


def all_workers() -> dict[str, list[psutil.Process]]:
    """Workers that are alive, by run."""
    found: dict[str, list[psutil.Process]] = {}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if MODULE in words:
            found.setdefault(words[words.index(MODULE) + 1], []).append(process)
    return found


def workers(run: str) -> list[psutil.Process]:
    """The workers of one run."""
    return all_workers().get(run, [])
