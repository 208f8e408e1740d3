"""ETags, as storage and its events spell them."""


def plain_etag(etag: str) -> str:
    """An ETag without quotes and without the mark of a weak one."""
    return etag.removeprefix("W/").strip('"')
