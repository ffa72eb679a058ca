"""The door: whose requests are read, and how much of them.

A plain ASGI middleware. It takes the body in, whole and within its limit, before anything looks at
it: so a body cannot grow past the limit unseen, and one that trickles in keeps nothing waiting.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from aigc_tutorial.deploy.service.errors import ServiceError
from aigc_tutorial.deploy.service.limits import Limits
from aigc_tutorial.deploy.service.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
OPEN_PATHS = frozenset({"/", "/health"})
"""What is shown without a key: the page, which asks for it, and that the service lives."""


class Guard:
    """Refuses foreign hosts, wrong keys and bodies that are too long; counts the answers.

    Args:
        app: what stands behind.
        limits: of a body.
        metrics: count the answers.
        api_key: what a client must know; None for nothing.
        hosts: the names under which the service answers; empty for all. A page of another site
            could let its own name point here, and would else be served as if it were one of ours.
    """

    def __init__(
        self,
        app: App,
        limits: Limits,
        metrics: Metrics,
        api_key: str | None,
        hosts: Collection[str],
    ) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._key = None if api_key is None else api_key.encode()
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        def count(status: int) -> None:
            # The route's pattern, and not the path: a stranger can make up any number of those.
            path = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(path, status).inc()

        has_begun = False

        async def counted(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                count(message["status"])
            await send(message)

        try:
            self._check(scope)
            body = await self._read(scope, receive)
        except ServiceError as error:
            await refuse(error, counted)
            return
        if body is None:
            return  # the client has left
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replayed() -> Message:
            return next(messages, None) or await receive()

        try:
            await self._app(scope, replayed, counted)
        except Exception:
            if not has_begun:
                count(500)  # whoever catches this answers so, behind our back
            raise

    def _check(self, scope: Message) -> None:
        headers = dict(scope["headers"])
        host = _name_of(headers.get(b"host", b"").decode("latin-1"))
        if self._hosts and host not in self._hosts:
            raise ServiceError(
                421,
                f"This service does not answer to the name {host!r}, only to "
                f"{', '.join(sorted(self._hosts))}; whoever runs it can add one to hosts.",
                code="unknown_host",
            )
        if self._key is None or scope["path"] in OPEN_PATHS:
            return
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._key):
            raise ServiceError(
                401,
                "This service wants an API key, in the header Authorization: Bearer KEY; "
                f"the request has {'another one' if given else 'none'}.",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _read(self, scope: Message, receive: Receive) -> bytes | None:
        limit = self._limits.max_body_bytes
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            raise _too_long(limit)
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise _too_long(limit)
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise ServiceError(
                408,
                f"The body did not arrive within {self._limits.body_seconds:g} s.",
                headers={"Connection": "close"},
            ) from None


async def refuse(error: ServiceError, send: Send) -> None:
    """Answer with an error."""
    body = json.dumps(error.as_json()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    pairs = [(k.lower().encode(), v.encode()) for k, v in (headers | error.headers).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _too_long(limit: int) -> ServiceError:
    return ServiceError(
        413,
        f"The body is longer than the {limit} bytes that are read here.",
        headers={"Connection": "close"},
    )


def _name_of(host: str) -> str:
    """The name in a Host header, without the port."""
    name = host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name.lower()
