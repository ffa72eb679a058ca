"""A full queue, and clients that send no HTTP: neither keeps the others from being served."""

import json
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

from aigc_tutorial.deploy.service import Limits, create_app
from tests.deploy.service.live import running
from tests.deploy.service.small import writer

POST = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n"
GARBAGE = {
    "bytes": bytes(range(256)) * 40,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "half a head": POST + b"Content-Len",
    "a length that is none": POST + b"Content-Length: -1\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "chunks that are none": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab",
    "a head without end": b"GET /health HTTP/1.1\r\nX: " + b"a" * 100_000,
}


def send(url: str, content: bytes) -> bytes:
    """Send bytes and hang up on our side; what is answered until the service does."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.settimeout(20)
        answer = b""
        try:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(65_536):
                answer += part
        except ConnectionError:
            pass  # it has closed without reading all of it
    return answer


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds, for half a minute."""
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.timeout(120)
def test_garbage_in_front_of_a_full_queue_costs_nobody_his_place():
    limits = Limits(max_tokens=10**6, max_rows=1, max_batch=1, max_queue=1)
    app = create_app({"writer": writer()}, limits)
    asked = {"model": "writer", "prompt": "ab", "seed": 1, "max_tokens": 8}
    endless = asked | {"max_tokens": 10**6, "stream": True}
    body = json.dumps(endless).encode()
    waiting = POST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with running(app) as url, httpx.Client(base_url=url, timeout=30) as friend:
        address = urlsplit(url)

        def jobs() -> int:
            return friend.get("/health").json()["jobs"]

        expected = friend.post("/v1/completions", json=asked).json()["choices"]
        with (
            friend.stream("POST", "/v1/completions", json=endless) as inside,
            socket.create_connection((address.hostname, address.port)) as queued,
        ):
            text = inside.iter_bytes()
            assert next(text)
            queued.sendall(waiting + body)
            wait_for(lambda: jobs() == 2)
            for content in GARBAGE.values():
                answer = send(url, content)
                assert not answer or answer.startswith(b"HTTP/1.1 4")
                refused = friend.post("/v1/completions", json=asked)
                assert refused.status_code == 429
                assert int(refused.headers["retry-after"]) >= 1
            assert next(text)  # who was inside is written for all the while
            assert jobs() == 2
        wait_for(lambda: jobs() == 0)
        assert friend.post("/v1/completions", json=asked).json()["choices"] == expected
