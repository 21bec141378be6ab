"""A slow link: a TCP relay on loopback that holds back what it passes on, in both directions."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

CHUNK = 65536


@contextmanager
def slow_link(endpoint: str, delay_s: float) -> Iterator[str]:
    """An endpoint that leads to ``endpoint``, ``delay_s`` later each way."""
    loop = asyncio.new_event_loop()
    target = urlsplit(endpoint)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(_delay(reader, far_writer, delay_s), _delay(far_reader, writer, delay_s))

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
