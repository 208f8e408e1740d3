"""Waiting that ends when the host stops."""

import asyncio


async def pause(seconds: float, stopping: asyncio.Event) -> bool:
    """Wait for a time or until the host stops; true if it stops."""
    try:
        async with asyncio.timeout(seconds):
            return await stopping.wait()
    except TimeoutError:
        return False
