"""ETags, as storage and its events write them."""


def plain_etag(etag: str) -> str:
    """An ETag without quotes and without the prefix of weak ones."""
    return etag.removeprefix("W/").strip('"')
