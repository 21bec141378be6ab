"""Poor links: a TCP relay on loopback that holds back what it passes on."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 65536
LOOK_S = 0.05


@contextmanager
def slow_link(endpoint: str, delay_s: float) -> Iterator[str]:
    """An endpoint that leads to ``endpoint``, ``delay_s`` later each way."""

    async def both(near: Ends, far: Ends) -> None:
        await asyncio.gather(_delay(near[0], far[1], delay_s), _delay(far[0], near[1], delay_s))

    with _relay(endpoint, both) as relayed:
        yield relayed


class Tap:
    """Let through ``free`` bytes, and then so many a second, one by one; with 0 none at all."""

    def __init__(self, free: float = float("inf"), rate: float = 0.0) -> None:
        self.free = free
        self.rate = rate


@contextmanager
def dripping_link(endpoint: str, tap: Tap) -> Iterator[str]:
    """An endpoint that leads to ``endpoint``; what is sent there goes through the tap. It may be turned at
    any time."""

    async def both(near: Ends, far: Ends) -> None:
        await asyncio.gather(_drip(near[0], far[1], tap), _delay(far[0], near[1], 0.0))

    with _relay(endpoint, both) as relayed:
        yield relayed


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextmanager
def _relay(endpoint: str, both: Callable[[Ends, Ends], Awaitable[None]]) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    target = urlsplit(endpoint)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far = await asyncio.open_connection(target.hostname, target.port)
        except ConnectionError:
            writer.close()  # there is nobody: whoever connected learns it by this
            return
        await both((reader, writer), far)

    server = loop.run_until_complete(asyncio.start_server(connected, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on each chunk ``delay_s`` after it came; many can be on their way at once."""
    clock = asyncio.get_running_loop().time
    on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        data = b"."
        while data:
            due, data = await on_the_way.get()
            await asyncio.sleep(due - clock())
            if data:
                writer.write(data)
                await writer.drain()
        writer.close()

    async def depart() -> None:
        data = b"."
        while data:
            try:
                data = await reader.read(CHUNK)
            except ConnectionError:
                data = b""
            on_the_way.put_nowait((clock() + delay_s, data))

    with suppress(ConnectionError):
        await asyncio.gather(arrive(), depart())


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tap: Tap) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            while data:
                size = int(min(tap.free, len(data)))
                if size == 0 and tap.rate > 0:
                    await asyncio.sleep(1 / tap.rate)
                    size = 1
                elif size == 0:
                    await asyncio.sleep(LOOK_S)
                else:
                    tap.free -= size
                writer.write(data[:size])
                await writer.drain()
                data = data[size:]
    writer.close()
