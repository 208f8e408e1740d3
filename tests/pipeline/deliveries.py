"""Deliver events and sweep from several processes, some of which die at a storage request of their choice.

    python -m tests.pipeline.deliveries < plan.json

Settings come from the environment. Children are forked, so that fifty of them cost what one costs to start.
It prints how each child ended: its exit code, or the signal below zero.
"""

import json
import logging
import os
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.clock import utc_now
from pipeline.errors import PipelineError
from pipeline.flow.submit import submit_landing
from pipeline.flow.sweep import sweep
from pipeline.settings import Settings
from tests.pipeline.counting import CountingTransport
from tests.pipeline.file_engine import open_context

DELIVERIES = 5
"""How often a host delivers an event that fails."""


@dataclass(frozen=True)
class Child:
    """What one process does: deliver events, then sweep a number of times."""

    events: tuple[str, ...] = ()
    sweeps: int = 0
    last: int | None = None
    """It is killed at this storage request."""
    answered: bool = False
    """The request is answered before that."""


@dataclass(frozen=True)
class Plan:
    """What all of them do."""

    engine: str
    children: tuple[Child, ...]
    at_once: bool

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> int:
    plan = json.load(sys.stdin)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    settings = Settings.from_environment(os.environ)
    import azure.storage.blob  # noqa: F401 - so that no child has to

    ended = []
    started = []
    for child in plan["children"]:
        pid = os.fork()
        if pid == 0:
            os._exit(_run(settings, Path(plan["engine"]), child))
        if plan["at_once"]:
            started.append(pid)
        else:
            ended.append(_wait(pid))
    ended += [_wait(pid) for pid in started]
    print(json.dumps(ended))
    return 0


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _run(settings: Settings, engine: Path, child: dict[str, Any]) -> int:
    try:
        transport = CountingTransport(child["last"], answered=child["answered"])
        context = open_context(settings, engine, utc_now, transport=transport)
        for name in child["events"]:
            for _ in range(DELIVERIES):
                try:
                    submit_landing(context, name)
                    break
                except PipelineError as error:
                    logging.warning("delivery of %s fails: %s", name, error)  # noqa: LOG015 - a script
        for _ in range(child["sweeps"]):
            sweep(context, None, random_hex=os.urandom(3).hex())
    except BaseException:  # noqa: BLE001 - nothing may continue in a forked child
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
