"""Single settings from environment variables, each checked; problems are collected, not raised."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from pipeline.ncrontab import Schedule, WrongSchedule

_SHOWN = 60
"""Longest part of an invalid value that a message repeats."""


class SettingValues:
    """Reads settings by name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []
        self.names: set[str] = set()
        """All names that were asked for."""

    def wrong(self, name: str, expected: str, found: str | None) -> None:
        """Note that a setting has another value than expected."""
        shown = "nothing" if found is None else repr(found[:_SHOWN]) + ("..." if len(found) > _SHOWN else "")
        self.problems.append(f"{name}: expected {expected}, found {shown}")

    def text(self, name: str) -> str | None:
        """The value; None if it is unset or blank: a blank app setting means its default."""
        self.names.add(name)
        return self.environ.get(name, "").strip() or None

    def choice[Choice: str](self, name: str, choices: tuple[Choice, ...], default: Choice) -> Choice:
        """One of a few words."""
        value = self.text(name)
        if value is not None and value not in choices:
            self.wrong(name, " or ".join(choices), value)
        return next((choice for choice in choices if choice == value), default)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within these limits."""
        value = self.text(name)
        if value is None:
            return default
        if re.fullmatch(r"[0-9]{1,15}", value) and least <= int(value) <= most:
            return int(value)
        self.wrong(name, f"a whole number from {least:,} to {most:,}", value)
        return default

    def minutes(self, name: str, default: timedelta, most: int = 14 * 24 * 60) -> timedelta:
        """A number of minutes above 0."""
        value = self.text(name)
        if value is None:
            return default
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) and 0 < float(value) <= most:
            return timedelta(minutes=float(value))
        self.wrong(name, f"a number of minutes above 0, up to {most:,}", value)
        return default

    def seconds(self, name: str, most: int = 100_000_000) -> float | None:
        """A number of seconds above 0, or None if it is unset."""
        value = self.text(name)
        if value is None:
            return None
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", value) and 0 < float(value) <= most:
            return float(value)
        self.wrong(name, f"a number of seconds above 0, up to {most:,}, with up to 3 decimals", value)
        return None

    def share(self, name: str, default: float) -> float:
        """A share from 0 to 1."""
        value = self.text(name)
        if value is None:
            return default
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) and float(value) <= 1:
            return float(value)
        self.wrong(name, "a share from 0 to 1, such as 0.01", value)
        return default

    def schedule(self, name: str, default: str) -> str:
        """An NCRONTAB expression."""
        if self.text(name) is None:
            return default
        value = self.environ[name]  # the host does not strip it: a newline at its end is refused
        try:
            Schedule.parse(value)
        except WrongSchedule as error:
            what = "an NCRONTAB expression such as '0 0 * * * *' (second minute hour day month weekday)"
            self.wrong(name, what, value)
            self.problems[-1] += f" ({error})"
            return default
        return " ".join(value.split())

    def matching(self, name: str, matches: Callable[[str], object], expected: str) -> str | None:
        """A text for which `matches` is true, or None if it is unset."""
        value = self.text(name)
        if value is not None and not matches(value):
            self.wrong(name, expected, value)
        return value
