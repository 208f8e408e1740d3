"""Waiting that ends when the host stops."""

import asyncio


async def pause(seconds: float, stopping: asyncio.Event) -> bool:
    """Wait so long, or until the host stops; true where it stops."""
    try:
        async with asyncio.timeout(seconds):
            return await stopping.wait()
    except TimeoutError:
        return False
