"""Redacting secrets: signatures and keys that messages of other software repeat."""

import re

_SECRET = re.compile(
    r"(?i)(?:(?<![A-Za-z0-9])|(?<=%3F)|(?<=%26))(sig|AccountKey|SharedAccessKey|SharedAccessSignature|InstrumentationKey|client_secret)"
    r"(=|%3D)[^\s&;'\",)]+"
)
_BEARER = re.compile(r"(?i)\b(Bearer|SharedKey(?:Lite)?) [A-Za-z0-9._~+/:=-]{8,}")


def redacted(text: str) -> str:
    """`text` with *** in place of what follows `sig=`, `AccountKey=`, `Bearer` and the like."""
    return _BEARER.sub(r"\1 ***", _SECRET.sub(r"\1\2***", text))


def safe_cause(error: BaseException) -> BaseException | None:
    """`error` as a cause to raise from, or None if it or one of its own causes holds a secret.

    A traceback shows all causes of an exception, and the address in a message of `requests` can end in a
    shared access signature.
    """
    beneath: BaseException | None = error
    while beneath is not None:
        text = str(beneath)
        if redacted(text) != text:
            return None
        beneath = beneath.__cause__ or beneath.__context__
    return error
