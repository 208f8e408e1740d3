"""Tokens: the identity endpoint of a Function app, and the checks of what comes back.

A process with `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` in its environment takes itself for a Function app
with a managed identity, so `DefaultAzureCredential` works with the emulator and needs no account.
The tokens have the form of a JWT, because the SDK reads them; they are not signed.
"""

import base64
import json
import secrets
import time
from typing import Any

from dev.azureml.answers import Answer, Call, Refusal

AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net", "https://ml.azure.com")
JOB_AUDIENCE = "https://ml.azure.com"


class Identity:
    """Issues tokens and checks those that callers send."""

    def __init__(self, lifetime: int = 3600) -> None:
        self.header = secrets.token_hex(16)
        """What a caller of the identity endpoint has to send: `IDENTITY_HEADER`."""
        self.lifetime = lifetime
        """Seconds for which a token is valid."""
        self.issued = 0
        """Number of tokens that were issued."""

    def token(self, call: Call) -> Answer:
        """A token for the resource that is asked for."""
        if call.headers.get("x-identity-header") != self.header:
            raise Refusal(401, "Unauthorized", "the header X-IDENTITY-HEADER is missing or wrong")
        self.issued += 1
        expires = int(time.time()) + self.lifetime
        resource = call.query.get("resource", "").rstrip("/")
        return Answer(
            200,
            {
                "access_token": make_token(resource, expires),
                "expires_on": str(expires),
                "resource": resource,
                "token_type": "Bearer",
            },
        )

    def check(self, call: Call) -> None:
        """Reject a call without a valid token."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            raise Refusal(401, "AuthenticationFailed", "the 'Authorization' header is missing")
        check_token(token, AUDIENCES)

    def check_job(self, call: Call) -> None:
        """Reject a pipeline job without the second token, which its steps would use."""
        token = call.headers.get("x-azureml-token")
        if not token:
            raise Refusal(400, "UserError", "the header 'x-azureml-token' is missing", "BadArgument")
        check_token(token, (JOB_AUDIENCE,))


def make_token(audience: str, expires: int) -> str:
    """A token for `audience`, valid until `expires` (seconds since 1970)."""
    parts: tuple[dict[str, Any], ...] = (
        {"alg": "none", "typ": "JWT"},
        {"aud": audience, "exp": expires, "iss": "azure-ml-emulator", "jti": secrets.token_hex(4)},
    )
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join((*encoded, "unsigned"))


def check_token(token: str, audiences: tuple[str, ...]) -> None:
    """Refuse a token that is malformed, expired, or meant for something else."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        audience, expires = str(claims["aud"]).rstrip("/"), int(claims["exp"])
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise Refusal(401, "InvalidAuthenticationToken", "The access token is invalid.") from error
    if expires <= time.time():
        raise Refusal(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")
    if audience not in audiences:
        raise Refusal(
            401,
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{audience}'. "
            f"It should exactly match one of the allowed audiences: {', '.join(audiences)}.",
        )
