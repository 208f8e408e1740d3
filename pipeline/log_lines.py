"""Log lines that names from outside cannot forge: each message of this project is one printable line.

An alert waits for a line that begins with certain words (`pipeline.alerts`), and a name of a blob can hold a
line break and those words.
"""

import logging

from scoring.printable import printable

_ALIKE_SECONDS = 10.0

_OURS = frozenset({"pipeline", "fleet_scoring"})


class _OneLine(logging.LogRecord):
    """A record whose message is one printable line, whichever handler writes it."""

    def getMessage(self) -> str:  # noqa: N802 - the base class's name
        message = super().getMessage()
        return printable(message) if self.name.partition(".")[0] in _OURS else message


class Distinct(logging.Filter):
    """Omits a record whose `alike` is that of one some seconds ago: parallel requests fail alike."""

    def __init__(self) -> None:
        super().__init__()
        self._until: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        alike = getattr(record, "alike", None)
        if alike is None:
            return True
        shown = record.created >= self._until.get(alike, 0.0)
        if shown:
            self._until[alike] = record.created + _ALIKE_SECONDS
        return shown


def keep_one_line() -> None:
    """Use such records for all later log messages of this process."""
    logging.setLogRecordFactory(_OneLine)
