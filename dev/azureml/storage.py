"""Azurite, as the storage account behind the workspace: uploads of code, and folders for steps."""

import contextlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

FOLDER_MARK = "hdi_isfolder"
"""Metadata of an empty blob that stands for a folder."""


class Storage:
    """One storage account, by its connection string."""

    def __init__(self, connection: str) -> None:
        from azure.storage.blob import BlobServiceClient

        self.client: Any = BlobServiceClient.from_connection_string(connection)
        self.uploads: set[str] = set()
        """Containers that were created for uploads."""

    def pending_upload(self) -> tuple[str, str]:
        """A fresh container: its address, and the same with a signature that lets anyone write there."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        name = f"azureml-upload-{uuid.uuid4()}"
        self.client.create_container(name)
        self.uploads.add(name)
        account = self.client.account_name
        signature = generate_container_sas(
            account,
            name,
            account_key=self.client.credential.account_key,
            permission=ContainerSasPermissions(read=True, add=True, create=True, write=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        address = f"{self.client.primary_endpoint.rstrip('/')}/{name}"
        return address, f"{address}?{signature}"

    def place(self, address: str) -> tuple[str, str]:
        """The container and the path of a blob or folder, from its address."""
        path = unquote(urlsplit(address).path).lstrip("/")
        path = path.removeprefix(f"{self.client.account_name}/")  # Azurite puts the account into the path
        container, _, rest = path.partition("/")
        return container, rest

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """Names of the blobs under a folder."""
        start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        for name in self.client.get_container_client(container).list_blob_names(name_starts_with=start):
            yield str(name)

    def download_folder(self, container: str, prefix: str, target: Path) -> None:
        """Read all blobs under `prefix` into `target`; names that no file can have are skipped."""
        target.mkdir(parents=True, exist_ok=True)
        start = len(prefix.strip("/")) + 1 if prefix.strip("/") else 0
        folder = f"{prefix.strip('/')}/" if start else ""
        blobs = self.client.get_container_client(container).list_blobs(
            name_starts_with=folder, include=["metadata"]
        )
        for blob in blobs:
            file = safe_file(target, blob.name[start:])
            if file is None:
                continue
            if (blob.metadata or {}).get(FOLDER_MARK) == "true":
                file.mkdir(parents=True, exist_ok=True)
            else:
                self.download_file(container, blob.name, file)

    def download_file(self, container: str, name: str, target: Path) -> None:
        """Read one blob."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            self.client.get_blob_client(container, name).download_blob().readinto(file)

    def make_container(self, name: str) -> None:
        """Create a container if it does not exist."""
        from azure.core.exceptions import ResourceExistsError

        with contextlib.suppress(ResourceExistsError):
            self.client.create_container(name)

    def upload_file(self, file: Path, container: str, prefix: str, name: str) -> None:
        """Upload a file below `prefix`, replacing an older one."""
        from azure.storage.blob import ContentSettings

        settings = ContentSettings(content_type="application/octet-stream")  # for every kind of file
        with file.open("rb") as content:
            self._blob(container, prefix, name).upload_blob(
                content, overwrite=True, content_settings=settings
            )

    def make_folder(self, container: str, prefix: str, name: str) -> None:
        """Write the blob by which a mount represents a folder."""
        self._blob(container, prefix, name).upload_blob(b"", overwrite=True, metadata={FOLDER_MARK: "true"})

    def _blob(self, container: str, prefix: str, name: str) -> Any:
        return self.client.get_blob_client(container, f"{prefix.strip('/')}/{name}".lstrip("/"))


def safe_file(folder: Path, name: str) -> Path | None:
    """The file below `folder` that a blob's name stands for, or None where there can be none."""
    parts = name.split("/")
    if any(part in {"", ".", ".."} or "\0" in part or len(part.encode()) > 255 for part in parts):  # noqa: PLR2004
        return None
    return folder / PurePosixPath(*parts)
