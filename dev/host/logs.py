"""The host's log: one line for each entry."""

import logging
import sys
import time
from types import TracebackType

_Exception = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineFormatter(logging.Formatter):
    """Lines as `func` writes them. Newlines and other control characters of a message are escaped.

    A blob's name can hold any of them, and must not be able to write a line of its own. Tracebacks keep
    their lines, indented.
    """

    def __init__(self) -> None:
        super().__init__("[%(asctime)s.%(msecs)03dZ] %(message)s", "%Y-%m-%dT%H:%M:%S")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """The line without its traceback."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: _Exception) -> str:  # noqa: N802 - the base class's name
        """The traceback, indented."""
        return indented(super().formatException(ei))


def set_up_logging() -> None:
    """Write to standard output, without the SDKs' own line per request."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("azure").setLevel(logging.WARNING)


def log_from_worker(logger: str, level: int, message: str, traceback: str | None) -> None:
    """Write what the app logged in its process."""
    log = logging.getLogger(logger)
    record = log.makeRecord(logger, level, "", 0, message, (), None)
    record.exc_text = indented(traceback) if traceback else None
    log.handle(record)


def printable(text: str) -> str:
    """`text`, with characters escaped that could break a line or hide a part of it."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def indented(lines: str) -> str:
    """A traceback that cannot be mistaken for log entries."""
    return "\n".join(f"    {printable(line)}" for line in lines.split("\n"))


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
