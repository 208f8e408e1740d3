"""Connecting to blob storage with the identity of the settings. Imported only when a store connects."""

import logging
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobServiceClient

from pipeline.settings import Connection
from pipeline.storage.retries import Retries

CONNECT_SECONDS = 3
ANSWER_SECONDS = 20
CONNECTIONS = 32
"""Connections that are kept open: as many as threads use at once."""
SINGLE_PUT_BYTES = 8 << 20
"""A larger file is sent in blocks: its progress shows, and after a failure only a block is sent again."""


def blob_service(connection: Connection, transport: Any = None) -> BlobServiceClient:
    """A client for the account; it sends nothing yet."""
    # The SDK logs each request, and each credential that it tries, at INFO.
    for chatty in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    options: dict[str, Any] = {
        "retry_policy": Retries(),
        "transport": transport or http_transport(),
        "max_single_put_size": SINGLE_PUT_BYTES,
    }
    if connection.connection_string is not None:
        return BlobServiceClient.from_connection_string(connection.connection_string, **options)
    return BlobServiceClient(str(connection.blob_service_uri), credential=credential(connection), **options)


def http_transport() -> RequestsTransport:
    """The default transport with a larger pool: beyond it, `requests` opens a connection per request."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
    return RequestsTransport(session=session, connection_timeout=CONNECT_SECONDS, read_timeout=ANSWER_SECONDS)


def credential(connection: Connection) -> Any:
    """The identity of the settings."""
    from azure import identity

    if connection.managed_identity:
        return identity.ManagedIdentityCredential(client_id=connection.client_id)
    return identity.DefaultAzureCredential(managed_identity_client_id=connection.client_id)
