"""Events as messages: CloudEvents for machines, one card or text per run for people."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pipeline.fleet.events import FLEET, Event, EventKind
from pipeline.notify.settings import Format
from scoring.formats import NOT_READ

if TYPE_CHECKING:
    from pipeline.storage.account import Store

CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS_BATCH = "application/cloudevents-batch+json"
JSON = "application/json"

MOST_LINES = 20
"""Lines of a message for people; it says how many more there are."""
MOST_IN_BATCH = 100
_LONGEST_LINE = 300

_HEADLINES = {
    EventKind.EPISODE_OPENED: ("sensor is anomalous", "sensors are anomalous"),
    EventKind.EPISODE_CLOSED: ("anomalous episode has ended", "anomalous episodes have ended"),
    EventKind.SENSOR_SILENT: ("sensor is silent", "sensors are silent"),
    EventKind.SENSOR_BACK: ("sensor is back", "sensors are back"),
    EventKind.FLEET_SILENT: ("fleet is silent", "fleets are silent"),
    EventKind.FLEET_BACK: ("fleet is back", "fleets are back"),
    EventKind.MODEL_MISSING: ("sensor is not scored", "sensors are not scored"),
    EventKind.RUN_FAILED: ("run failed for good", "runs failed for good"),
    EventKind.REJECTS: ("run lost rows of landings", "runs lost rows of landings"),
    EventKind.TEST: ("test of notifications", "tests of notifications"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One request to a sink."""

    id: str
    """The same for the same events: a receiver that has it can drop a second delivery."""
    content_type: str
    body: bytes
    events: tuple[Event, ...]


def source_of(store: "Store") -> str:
    """The `source` of all events of this fleet."""
    return f"{store.address}/{store.preds.name}"


def messages(events: Sequence[Event], form: Format, source: str) -> Iterator[Message]:
    """The messages of these events, in order; `source` says which fleet they are from."""
    if form is Format.CLOUD_EVENTS:
        for event in events:
            yield Message(event.id, CLOUD_EVENT, _json(cloud_event(event, source)), (event,))
        return
    for _, of_run in groupby(events, key=lambda event: event.run):
        group = tuple(of_run)
        shown = _for_people(group)
        card = _teams(shown) if form is Format.TEAMS else _slack(shown)
        yield Message(_group_id(group), JSON, _json(card), group)


def batches(events: Sequence[Event], source: str) -> Iterator[Message]:
    """Batches of CloudEvents, as Event Grid takes them."""
    for start in range(0, len(events), MOST_IN_BATCH):
        group = tuple(events[start : start + MOST_IN_BATCH])
        body = _json([cloud_event(event, source) for event in group])
        yield Message(_group_id(group), CLOUD_EVENTS_BATCH, body, group)


def cloud_event(event: Event, source: str) -> dict[str, Any]:
    """The event as CloudEvents 1.0 writes it in JSON."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": event.kind.value,
        "subject": event.subject,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "datacontenttype": JSON,
        "data": {**event.data, "run": event.run, "text": sentence(event)},
    }


def headline(events: Sequence[Event]) -> str:
    """What happened, in one line."""
    if len(events) == 1:
        return sentence(events[0])
    counts = Counter(event.kind for event in events)
    return "; ".join(
        f"{count:,} {_HEADLINES[kind][count > 1]}" for kind in EventKind if (count := counts[kind])
    )


def sentence(event: Event) -> str:
    """The event in one line, for people."""
    data, name = event.data, _name(event)
    match event.kind:
        case EventKind.EPISODE_OPENED:
            text = f"{name} is anomalous since {_clock(data['start'])}: {_episode(data)}"
        case EventKind.EPISODE_CLOSED if data.get("merged"):
            text = f"{name}: its episode of {_clock(data['start'])} is part of an earlier one"
        case EventKind.EPISODE_CLOSED:
            when = f"from {_clock(data['start'])} to {_clock(data['end'])}"
            text = f"{name} was anomalous {when}: {_episode(data)}"
        case EventKind.SENSOR_SILENT | EventKind.FLEET_SILENT:
            text = f"{name} is silent since {_clock(data['last_reading'])}"
        case EventKind.SENSOR_BACK | EventKind.FLEET_BACK:
            text = f"{name} is back, with readings until {_clock(data['last_reading'])}"
        case EventKind.MODEL_MISSING:
            text = f"{name} is not scored: {data.get('reason') or 'it has no model'}"
        case EventKind.RUN_FAILED:
            text = f"{name} failed for good{_lost_steps(data)}: {data['error']}"
        case EventKind.REJECTS:
            landing, more = data["landings"][0], _more(data["count"])
            what = "not read" if landing["status"] in NOT_READ else "too many rejected rows"
            text = f"{name}: {what}: {landing['name']} ({landing['reason']}){more}"
        case EventKind.TEST:
            text = "this is a test of notifications: nothing has happened"
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _LONGEST_LINE else f"{one_line[: _LONGEST_LINE - 1]}…"


def _teams(events: Sequence[Event]) -> dict[str, Any]:
    """A message with an Adaptive Card; its texts are TextRuns, which are not read as Markdown."""

    def block(text: str, **style: Any) -> dict[str, Any]:
        return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}

    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            block(headline(events), weight="bolder", size="medium"),
            *(block(line) for line in _details(events)),
            block(f"Run {events[0].run}", isSubtle=True),
        ],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [content]}


def _slack(events: Sequence[Event]) -> dict[str, Any]:
    """A message with blocks of plain text: names from outside are not read as mentions or links."""
    lines = [headline(events), *_details(events), f"Run {events[0].run}"]
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": line}} for line in lines]
    return {"text": _escaped(headline(events)), "blocks": blocks}


def _escaped(text: str) -> str:
    """For Slack's `text`, which is shown in notifications and read as its own mark-up."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_people(events: Sequence[Event]) -> Sequence[Event]:
    """The events without the opening of episodes that are closed already: one line says both."""
    closed = {event.data.get("episode") for event in events if event.kind is EventKind.EPISODE_CLOSED}
    return [
        event
        for event in events
        if event.kind is not EventKind.EPISODE_OPENED or event.data.get("episode") not in closed
    ]


def _details(events: Sequence[Event]) -> list[str]:
    if len(events) == 1:
        return []
    lines = [sentence(event) for event in events[:MOST_LINES]]
    left = len(events) - MOST_LINES
    return [*lines, f"and {left:,} more"] if left > 0 else lines


def _name(event: Event) -> str:
    if event.key is None:
        return f"run {event.run}"
    return "the whole fleet" if event.key == FLEET else f"sensor {'/'.join(event.key)}"


def _lost_steps(data: dict[str, Any]) -> str:
    if not data.get("missing"):
        return ""
    first = data["missing"][0]
    return f" for sensor {first['device']}/{first['sensor']}{_more(data['count'])}"


def _more(count: int) -> str:
    return f" and {count - 1:,} more" if count > 1 else ""


def _episode(data: dict[str, Any]) -> str:
    direction = "" if data["direction"] == "mixed" else f", {data['direction']}"
    count = data["readings"]
    return f"{count:,} reading{'' if count == 1 else 's'}{direction}, peak {data['peak']['value']:.6g}"


def _clock(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def _group_id(events: Iterable[Event]) -> str:
    return hashlib.sha256(" ".join(event.id for event in events).encode()).hexdigest()[:32]


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
