"""Keeping secrets out of what is said: a signature or a key that somebody else's message repeats."""

import re

_SECRET = re.compile(
    r"(?i)(?:(?<![A-Za-z0-9])|(?<=%3F)|(?<=%26))(sig|AccountKey|SharedAccessKey|SharedAccessSignature|InstrumentationKey|client_secret)"
    r"(=|%3D)[^\s&;'\",)]+"
)
_BEARER = re.compile(r"(?i)\b(Bearer|SharedKey(?:Lite)?) [A-Za-z0-9._~+/:=-]{8,}")


def hushed(text: str) -> str:
    """`text` with what follows `sig=`, `AccountKey=`, `Bearer` and their like left out."""
    return _BEARER.sub(r"\1 ***", _SECRET.sub(r"\1\2***", text))


def tellable(error: BaseException) -> BaseException | None:
    """`error` to be raised from, or None where it or what lies beneath it holds a secret.

    A traceback shows all that led to an exception, and the address in a message of `requests` ends in the
    signature of a shared access signature.
    """
    beneath: BaseException | None = error
    while beneath is not None:
        text = str(beneath)
        if hushed(text) != text:
            return None
        beneath = beneath.__cause__ or beneath.__context__
    return error
