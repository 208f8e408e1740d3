"""A storage account as the nodes of a cluster see it: Azurite over TLS, under a name of Azure, and tokens.

The name leads here in this process's own view of /etc/hosts, which nobody else sees.
"""

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from azure.storage.blob import BlobServiceClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dev.azurite import ACCOUNT, DEV, KEY, node

HOST = f"{ACCOUNT}.blob.core.windows.net"
ADDRESS = "127.77.0.1"
"""Of loopback, and nobody else's: the port has to be that of HTTPS."""

RESOURCE = "https://storage.azure.com"
SECONDS = 30


def take_name(folder: Path) -> None:
    """Let the account's name lead to loopback, for this process and those that it starts, and no others."""
    os.unshare(os.CLONE_NEWNS)
    hosts = folder / "hosts"
    hosts.write_text(f"{Path('/etc/hosts').read_text()}\n{ADDRESS} {HOST}\n")
    subprocess.run([_found("mount"), "--make-rprivate", "/"], check=True)
    subprocess.run([_found("mount"), "--bind", str(hosts), "/etc/hosts"], check=True)


class Account:
    """A running account; use it with `with`."""

    def __init__(self, folder: Path, python: Path) -> None:
        """`python` is that of an environment with Azure ML's data runtime."""
        self.folder = folder
        self.python = python
        self._mounts: list[tuple[Path, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        trusted = make_certificates(self.folder)
        self._tokens = ThreadingHTTPServer(("127.0.0.1", 0), _Tokens)
        threading.Thread(target=self._tokens.serve_forever, daemon=True).start()
        self._environment = {
            **os.environ,
            "SSL_CERT_FILE": str(trusted),
            "MSI_ENDPOINT": f"http://127.0.0.1:{self._tokens.server_port}/token",
            "MSI_SECRET": "anything",
        }
        script = DEV / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
        options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        tls = ["--cert", str(self.folder / "server.pem"), "--key", str(self.folder / "key.pem")]
        place = ["--blobHost", ADDRESS, "--blobPort", "443", "--oauth", "basic"]
        with (self.folder / "azurite.log").open("wb") as log:
            self._azurite = subprocess.Popen(
                [node(), "--require", str(DEV / "end-with-parent.cjs"), str(script), *options, *tls, *place],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"},
            )
        key = {"account_name": ACCOUNT, "account_key": KEY}
        self.client = BlobServiceClient(f"https://{HOST}", credential=key, connection_verify=str(trusted))
        _until(lambda: b"successfully listens" in (self.folder / "azurite.log").read_bytes())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder, process in self._mounts:
            subprocess.run([_found("umount"), "--lazy", str(folder)], check=False)
            process.kill()
            process.wait()
        self.client.close()
        self._azurite.kill()
        self._azurite.communicate()
        self._tokens.shutdown()
        self._tokens.server_close()

    def mount(self, container: str, name: str, *, read_only: bool) -> Path:
        """A container as a folder."""
        folder = self.folder / name
        folder.mkdir()
        command = [self.python, Path(__file__).with_name("mount.py"), f"wasbs://{container}@{HOST}/", folder]
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*map(str, command), str(self.folder / "logs"), *(["--read-only"] if read_only else [])],
                env=self._environment,
                stdout=output,
                stderr=output,
            )
        self._mounts.append((folder, process))
        _until(lambda: folder.is_mount() or process.poll() is not None)
        assert folder.is_mount(), log.read_text("utf-8", "replace")
        return folder


class _Tokens(BaseHTTPRequestHandler):
    """The identity of a node."""

    def do_GET(self) -> None:
        expires = int(time.time()) + 3600
        answer = {
            "access_token": _storage_token(expires),
            "expires_on": str(expires),
            "resource": RESOURCE,
            "token_type": "Bearer",
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


def _storage_token(expires: int) -> str:
    """A token that Azurite accepts: it checks everything but the signature."""
    claims = {
        "aud": RESOURCE,
        "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
        "iat": expires - 7200,
        "nbf": expires - 7200,
        "exp": expires,
    }
    parts: tuple[dict[str, object], ...] = ({"alg": "none", "typ": "JWT"}, claims, {})
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    )


def make_certificates(folder: Path) -> Path:
    """Write an authority, and a certificate of the account that it signed; returns what to trust.

    Two of them, because Azure ML's runtime takes no authority for a server.
    """
    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    trusted = folder / "authority.pem"
    trusted.write_bytes(_certificate("test authority", authority, authority, is_authority=True))
    server = _certificate(HOST, own, authority, is_authority=False)
    (folder / "server.pem").write_bytes(server)
    (folder / "key.pem").write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return trusted


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, is_authority: bool
) -> bytes:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _found(command: str) -> str:
    path = shutil.which(command)
    assert path, f"there is no {command} on this machine"
    return path


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
