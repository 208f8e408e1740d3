"""The messages between finding a blob and calling its function, as the real host writes them."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient

POISON_QUEUE = "webjobs-blobtrigger-poison"
"""In the account of the blobs; the work queue is in that of the host."""


def work_queue(host_id: str) -> str:
    """Name of the queue of one host id."""
    return f"azure-webjobs-blobtrigger-{host_id}"


@dataclass(frozen=True, slots=True)
class BlobMessage:
    """A pending call."""

    function: str
    """Its full id."""
    blob_type: str
    container: str
    name: str
    etag: str
    """With its quotes; of the blob as it was found."""

    def text(self) -> str:
        """As on the queue, before Base64."""
        document = {
            "Type": "BlobTrigger",
            "FunctionId": self.function,
            "BlobType": self.blob_type,
            "ContainerName": self.container,
            "BlobName": self.name,
            "ETag": self.etag,
        }
        return json.dumps(document, indent=2, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> "BlobMessage":
        """Parse a message from the queue.

        Raises:
            ValueError: it is not such a message.
        """
        document: Any = json.loads(text)
        try:
            keys = ("FunctionId", "BlobType", "ContainerName", "BlobName", "ETag")
            return cls(*(str(document[key]) for key in keys))
        except (TypeError, KeyError) as error:
            raise ValueError(f"no {error} in it") from error


def quoted(etag: str) -> str:
    """An ETag with its quotes: listings and events leave them out."""
    return '"' + etag.strip('"') + '"'


def open_queue(connection: str, name: str) -> "QueueClient":
    """The client of a queue, which might not exist yet."""
    from azure.storage.queue import (
        LinearRetry,
        QueueClient,
        TextBase64DecodePolicy,
        TextBase64EncodePolicy,
    )

    return QueueClient.from_connection_string(
        connection,
        name,
        message_encode_policy=TextBase64EncodePolicy(),
        message_decode_policy=TextBase64DecodePolicy(),
        retry_policy=LinearRetry(backoff=1, retry_total=2, random_jitter_range=0),
    )
