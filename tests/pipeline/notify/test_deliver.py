import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.pipeline.transport import RequestsTransport

from pipeline.errors import NotFound
from pipeline.fleet.announce import fleet_event
from pipeline.fleet.events import EventKind, make_event
from pipeline.fleet.state import FleetState, with_events
from pipeline.fleet.store import change_state, read_state
from pipeline.notify.deliver import LOCK, OLDEST, deliver
from pipeline.notify.settings import (
    Format,
    Mute,
    NotifySettings,
    Sink,
    SinkKind,
    add_mute,
    remove_mute,
    write_notify_settings,
)
from pipeline.storage.account import Store
from tests.pipeline.conftest import until
from tests.pipeline.file_engine import Clock
from tests.pipeline.notify.receiver import SECRET, Receiver, dripping, served


class BeforeRelease(RequestsTransport):  # type: ignore[misc]  # exported by a module __getattr__
    """Calls `between` once, when a lease is about to be released."""

    def __init__(self, between):
        super().__init__()
        self.between = between

    def send(self, request, **kwargs):
        if request.headers.get("x-ms-lease-action") == "release" and (between := self.between):
            self.between = None
            between()
        return super().send(request, **kwargs)


NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def event(number, *, sensor="2", run="run-1", time=NOON):
    data = {"device": "1", "sensor": sensor, "last_reading": f"2026-11-27T11:{number % 60:02}:00Z"}
    kind = EventKind.SENSOR_SILENT if number % 2 else EventKind.SENSOR_BACK
    return make_event(kind, f"1/{sensor}", str(number), time=time, run=run, data=data)


class Post:
    """A store with events in the outbox, and deliveries from it."""

    def __init__(self, store, settings):
        self.store, self.settings = store, settings
        self.clock = Clock()
        self.clock.now = NOON
        self.environ = {"NOTIFY_SECRET": SECRET}

    def sinks(self, *sinks):
        write_notify_settings(self.store.runs, NotifySettings(sinks=sinks).to_bytes(), "it")

    def webhook(self, receiver, name="ops", **changes):
        url = f"NOTIFY_{name.upper()}_URL"
        self.environ[url] = receiver.url
        return Sink(
            name=name,
            kind=SinkKind.WEBHOOK,
            url_setting=url,
            **({"secret_setting": "NOTIFY_SECRET"} | changes),
        )

    def put(self, *events):
        def change(state):
            return FleetState(runs=state.runs, outbox=with_events(state.outbox, events), holds=state.holds)

        change_state(self.store.preds, change)
        return [event.id for event in events]

    def deliver(self, after=timedelta(0)):
        self.clock.now += after
        deliver(self.store, self.settings, self.clock, self.environ)

    def waiting(self):
        return [event.id for event in read_state(self.store.preds).outbox]

    def dead(self):
        return [
            json.loads(self.store.runs.read(blob.name).data) for blob in self.store.runs.list("undelivered/")
        ]


@pytest.fixture
def post(store, settings):
    return Post(store, settings)


def test_each_event_arrives_once_signed_and_in_order_and_leaves_the_outbox(post):
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver))
        ids = post.put(*(event(number) for number in range(5)))
        post.deliver()
        post.deliver()
    assert [one.headers["webhook-id"] for one in receiver.accepted] == ids
    assert all(one.is_signed() for one in receiver.accepted)
    assert receiver.accepted[0].headers["content-type"] == "application/cloudevents+json"
    assert receiver.accepted[0].document["specversion"] == "1.0"
    assert receiver.accepted[0].document["id"] == ids[0]
    assert post.waiting() == []


def test_a_receiver_that_fails_in_every_way_gets_each_event_once_and_in_order(post):
    ways = [(500, {}), (0, {}), (204, {}), (429, {"Retry-After": "1"}), (503, {}), (204, {}), (302, {})]
    with served(Receiver(lambda number: ways[number] if number < len(ways) else (200, {}))) as receiver:
        post.sinks(post.webhook(receiver))
        ids = post.put(*(event(number, sensor=str(number % 2)) for number in range(6)))
        post.deliver()
    assert receiver.ids() == ids
    assert post.waiting() == []


@pytest.mark.slow
def test_a_receiver_that_takes_longer_than_is_waited_gets_the_event_again_under_the_same_id(post):
    with served(Receiver(seconds=lambda number: 12.0 if number == 0 else 0.0)) as receiver:
        post.sinks(post.webhook(receiver))
        ids = post.put(event(0), event(1))
        post.deliver()
        until(lambda: len(receiver.accepted) == 3)  # it also takes the one that it was too slow for
    assert receiver.ids() == ids


def test_a_receiver_whose_answer_never_ends_holds_up_no_other(post, monkeypatch):
    for name in ("CONNECT_SECONDS", "ANSWER_SECONDS"):
        monkeypatch.setattr(f"pipeline.notify.sinks.{name}", 0.5)
    with dripping() as address, served(Receiver()) as well:
        endless = Receiver(url=address)
        post.sinks(post.webhook(endless, "endless"), post.webhook(well, "well"))
        ids = post.put(event(0), event(1))
        post.deliver()
        assert well.ids() == ids
        assert post.waiting() == ids


def test_a_dead_receiver_holds_up_no_other_and_gets_everything_when_it_is_back(post):
    with served(Receiver()) as gone:
        port = int(gone.url.split(":")[2].split("/")[0])
    with served(Receiver()) as well:
        post.sinks(post.webhook(gone, "gone"), post.webhook(well, "well"))
        ids = post.put(event(0), event(1))
        post.deliver()
        assert well.ids() == ids
        assert post.waiting() == ids
        post.deliver(timedelta(seconds=30))  # left alone so soon
        assert len(well.accepted) == 2
    with served(Receiver(), port) as back:
        post.deliver(timedelta(minutes=2))
    assert back.ids() == ids
    assert post.waiting() == []


def test_a_sink_that_asks_for_time_is_left_alone_for_it(post):
    with served(Receiver(lambda n: (429, {"Retry-After": "1200"}) if n == 0 else (204, {}))) as receiver:
        post.sinks(post.webhook(receiver))
        post.put(event(0))
        post.deliver()
        post.deliver(timedelta(minutes=19))
        assert receiver.requests == 1
        post.deliver(timedelta(minutes=6))
        assert len(receiver.accepted) == 1


def test_what_a_receiver_refuses_is_a_dead_letter_and_the_rest_arrives(post):
    with served(Receiver(lambda number: (400, {}) if number == 1 else (204, {}))) as receiver:
        post.sinks(post.webhook(receiver))
        ids = post.put(event(0), event(1), event(2))
        post.deliver()
    assert receiver.ids() == [ids[0], ids[2]]
    (letter,) = post.dead()
    assert (letter["event"]["id"], letter["reason"]) == (ids[1], "it returned 400")
    assert post.waiting() == []


def test_what_is_not_taken_within_a_day_is_a_dead_letter(post):
    with served(Receiver(lambda _: (503, {}))) as receiver:
        post.sinks(post.webhook(receiver))
        old, young = event(0), event(1, time=NOON + timedelta(hours=20))
        post.put(old, young)
        post.deliver(OLDEST + timedelta(seconds=1))
    assert [letter["event"]["id"] for letter in post.dead()] == [old.id]
    assert post.waiting() == [young.id]


def test_without_sinks_events_are_logged_and_leave(post, caplog):
    caplog.set_level(logging.INFO)
    post.put(event(1))
    post.deliver()
    assert "sensor 1/2 is silent since 2026-11-27 11:01 UTC (no sink)" in caplog.text
    assert post.waiting() == []


def test_a_sink_gets_only_the_kinds_that_it_wants(post):
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver, kinds=(EventKind.SENSOR_SILENT.value,)))
        ids = post.put(event(0), event(1))
        post.deliver()
    assert receiver.ids() == ids[1:]
    assert post.waiting() == []


@pytest.mark.parametrize("form", [Format.TEAMS, Format.SLACK])
def test_people_get_one_message_per_run(post, form):
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver, format=form))
        post.put(*(event(number, sensor=str(number)) for number in range(30)), event(31, run="run-2"))
        post.deliver()
    first, second = receiver.accepted
    assert "15 sensors are silent; 15 sensors are back" in first.body.decode()
    assert "and 10 more" in first.body.decode()
    assert "sensor 1/2 is silent since 2026-11-27 11:31 UTC" in second.body.decode()


def test_a_missing_secret_leaves_the_events_and_says_which_setting(post, caplog):
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver, secret_setting="NOTIFY_NOTHING"))  # noqa: S106
        ids = post.put(event(0))
        post.deliver()
    assert receiver.requests == 0
    assert post.waiting() == ids
    assert "the setting NOTIFY_NOTHING has no value" in caplog.text


def test_no_log_line_shows_the_address_or_the_key_of_a_webhook(post, caplog):
    caplog.set_level(logging.INFO)
    with served(Receiver(lambda number: [(500, {}), (0, {}), (400, {})][number % 3])) as receiver:
        post.sinks(post.webhook(receiver))
        post.put(event(0), event(1))
        post.deliver()
    post.deliver(timedelta(hours=2))  # nothing listens any more
    assert "secret-path" not in caplog.text
    assert SECRET.removeprefix("whsec_") not in caplog.text


def test_while_one_process_delivers_no_other_does(post):
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver))
        ids = post.put(event(0))
        post.store.runs.touch(LOCK, metadata={})
        lease = post.store.runs.lease(LOCK, 60)
        post.deliver()
        assert receiver.requests == 0
        lease.release()
        post.deliver()
    assert receiver.ids() == ids


def test_a_planted_event_that_is_damaged_is_dropped(post, caplog):
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver))
        planted = make_event(EventKind.REJECTS, "x", "", time=NOON, run="x", data={"landings": []})
        ids = post.put(planted, event(0))
        post.deliver()
    assert receiver.ids() == ids[1:]
    assert post.waiting() == []
    assert "is damaged (IndexError)" in caplog.text


@pytest.mark.parametrize("form", list(Format))
def test_a_planted_event_that_one_form_cannot_show_is_dropped_in_each(post, form):
    data = {
        "device": "1",
        "sensor": "3",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-01T00:00:00Z",
        "readings": 1,
        "direction": "high",
        "peak": {"value": 1.0},
        "episode": [],
    }
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver, format=form))
        planted = make_event(EventKind.EPISODE_CLOSED, "1/3", "", time=NOON, run="x", data=data)
        post.put(planted, event(0))
        post.deliver()
    assert len(receiver.accepted) == 1
    assert post.waiting() == []


@pytest.mark.parametrize("has_sink", [True, False])
def test_events_of_a_muted_sensor_wait_until_the_mute_has_ended_and_keep_their_order(post, has_sink, caplog):
    caplog.set_level(logging.INFO)
    with served(Receiver()) as receiver:
        post.sinks(*([post.webhook(receiver)] if has_sink else []))
        muted = post.put(event(0), event(1))
        mute = Mute(pattern="1/2", until=NOON + timedelta(hours=30), reason="its fan is being replaced")
        add_mute(post.store.runs, mute, NOON)
        other = post.put(event(2, sensor="3"))
        post.deliver()
        assert post.waiting() == muted
        later = post.put(event(3))
        post.deliver(OLDEST + timedelta(hours=1))
        assert post.waiting() == muted + later
        post.deliver(timedelta(hours=6))
    assert post.waiting() == []
    assert post.dead() == []
    logged = [record.args[0] for record in caplog.records if record.getMessage().startswith("event ")]
    assert logged == other + muted + later
    assert receiver.ids() == (logged if has_sink else [])


def test_a_mute_of_everything_holds_the_silence_of_the_fleet_and_no_event_of_a_run(post):
    silent = fleet_event(EventKind.FLEET_SILENT, NOON, NOON, "run-1", NOON)
    failed = make_event(EventKind.RUN_FAILED, "run-1", "", time=NOON, run="run-1", data={"error": "no disk"})
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver))
        post.put(silent, failed)
        add_mute(post.store.runs, Mute(pattern="*", until=NOON + timedelta(hours=1), reason="moved"), NOON)
        post.deliver()
        assert post.waiting() == [silent.id]
        assert remove_mute(post.store.runs, "*")
        post.deliver()
    assert receiver.ids() == [failed.id, silent.id]


def test_a_queue_gets_cloud_events_and_is_made_if_it_is_missing(post):
    from azure.storage.queue import QueueClient, TextBase64DecodePolicy

    post.sinks(Sink(name="queue", kind=SinkKind.QUEUE, queue=f"{post.store.runs.name}-events"))
    ids = post.put(event(0), event(1))
    post.deliver()
    client = QueueClient.from_connection_string(
        post.settings.connection.connection_string,
        f"{post.store.runs.name}-events",
        message_decode_policy=TextBase64DecodePolicy(),
    )
    with client:
        found = [json.loads(message.content)["id"] for message in client.receive_messages()]
    assert sorted(found) == sorted(ids)
    with pytest.raises(NotFound):
        post.store.runs.read("undelivered/queue/x.json")


def test_the_events_of_a_process_that_found_the_lease_held_are_sent_by_its_holder(post):
    with served(Receiver()) as receiver:
        post.sinks(post.webhook(receiver))
        ids = post.put(event(1))
        transport = BeforeRelease(lambda: ids.extend(post.put(event(2))))
        own = Store.connect(post.settings, transport=transport)
        deliver(own, post.settings, post.clock, post.environ)
        own.close()
        assert [one.document["id"] for one in receiver.accepted] == ids
        assert len(ids) == 2
