"""What tests of the development host share: settings of the sample apps, and what their functions logged."""

import json
import time
import uuid

from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from tests.dev.conftest import APPS

PROBE = APPS / "probe"
BOTH = APPS / "both"
YEARLY = "0 0 0 1 1 *"


def unique(what):
    """A name that no other test uses; hosts with one id wait for each other's locks."""
    return f"{what}-{uuid.uuid4().hex[:12]}"


def settings_for(azurite, container, **more):
    """Of both sample apps."""
    storage = azurite.connection_string
    return {
        "AzureFunctionsWebHost__hostid": unique("test"),
        "AzureWebJobsStorage": storage,
        "SampleStorage": storage,
        "SAMPLE_CONTAINER": container,
        "SAMPLE_SCHEDULE": "0 0 * * * *",
        "ProbeStorage": storage,
        "PROBE_CONTAINER": container,
        "PROBE_SCHEDULE": YEARLY,
        **more,
    }


def calls(host, function=None):
    """Container and name of each call of the probe's functions, in order."""
    logged = [json.loads(line.partition("] called ")[2]) for line in list(host.lines) if "] called " in line]
    return [f"{container}/{name}" for called, container, name in logged if function in {None, called}]


def messages(azurite, queue):
    """The visible messages of a queue."""
    policy = TextBase64DecodePolicy()
    with QueueClient.from_connection_string(
        azurite.connection_string, queue, message_decode_policy=policy
    ) as client:
        return client.peek_messages(32)


def wait_until(holds, seconds=60):
    """Wait for a condition that the host does not log."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"the condition does not hold after {seconds} s"
        time.sleep(0.02)
    return found
