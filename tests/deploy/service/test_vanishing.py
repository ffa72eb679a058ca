"""Clients that vanish leave no work behind."""

import asyncio
import contextlib
import json
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from aigc_tutorial.deploy.service import Limits, create_app
from tests.deploy.service.live import running
from tests.deploy.service.small import painter, writer

N_CLIENTS = 1000


def request(path: str, body: dict) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


ENDLESS = {"model": "writer", "prompt": "ab", "max_tokens": 10**6}
REQUESTS = [
    request("/v1/completions", ENDLESS | {"stream": True}),
    request("/v1/completions", ENDLESS),
    request("/v1/completions", ENDLESS | {"n": 4, "stream": True}),
    request("/v1/images/generations", {"model": "painter", "prompt": "7", "n": 9}),
]


async def vanish(url: str) -> dict[str, int]:
    """Ask and leave: at once, in the midst of the request, after the first bytes of the answer."""
    address = urlsplit(url)
    room = asyncio.Semaphore(200)
    seen = {"answered": 0, "refused": 0}

    async def one(i: int) -> None:
        asked = REQUESTS[i % 4]
        async with room:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(asked[: len(asked) // 2] if i % 7 == 1 and i % 20 else asked)
            await writer.drain()
            if i % 20 == 0:  # a stream; most of them are told that there is no room
                first = await reader.read(200)
                seen["answered"] += first.startswith(b"HTTP/1.1 200")
                seen["refused"] += first.startswith(b"HTTP/1.1 429")
            elif i % 3:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(200), 0.05 + i % 7 / 20)
            writer.transport.abort()  # a reset, as of a machine that went away

    await asyncio.gather(*(one(i) for i in range(N_CLIENTS)))
    return seen


@pytest.mark.timeout(120)
def test_a_thousand_clients_that_vanish_leave_nothing_behind():
    limits = Limits(max_tokens=10**6, max_batch=8, max_queue=100)
    app = create_app({"writer": writer(), "painter": painter()}, limits)
    with running(app) as url, httpx.Client(base_url=url, timeout=30) as friend:
        worker = app.state.worker
        asked = {"model": "writer", "prompt": "ab", "seed": 1, "max_tokens": 40}
        expected = friend.post("/v1/completions", json=asked).json()["choices"]
        n_threads = threading.active_count()
        seen = asyncio.run(vanish(url))
        assert sum(seen.values()) == N_CLIENTS / 20
        assert seen["answered"] > 0
        ends = time.monotonic() + 30
        while worker.n_inside and time.monotonic() < ends:
            time.sleep(0.02)
        assert worker.n_inside == 0
        assert friend.get("/health").json() == {"status": "ok", "jobs": 0}
        assert threading.active_count() == n_threads
        assert friend.post("/v1/completions", json=asked).json()["choices"] == expected
        engine = worker._engines["writer"]
        assert not engine.is_busy
        assert len(engine._reader.free) == 8
        cancelled = friend.get("/metrics").text.count("aigc_cancelled_total{")
        assert cancelled == 2  # of both models
