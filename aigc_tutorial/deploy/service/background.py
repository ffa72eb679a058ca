"""A service beside other work: in a notebook, in a test, in a program that asks its own models."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aigc_tutorial.environment import require

_SECONDS_TO_END = 10


@contextmanager
def running(app: Any) -> Iterator[str]:
    """Serve an application at a free port of this machine, in a thread, until the block ends.

    ::

        with service.running(service.create_app(service.from_zoo(["mnist-mlp-gan"]))) as url:
            httpx.get(f"{url}/v1/models")

    What has begun when the block ends may end too, for ten seconds at most.

    Args:
        app: made by ``create_app``; or any other of ASGI.

    Yields:
        Its address, ``"http://127.0.0.1:PORT"``, once it answers there.

    Raises:
        RuntimeError: if it does not begin.
        MissingDependencyError: if the extra "serve" is not installed.
    """
    uvicorn = require("uvicorn", extra="serve")
    settings = uvicorn.Config(
        app,
        port=0,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=_SECONDS_TO_END,
        backlog=2048,
    )
    server = uvicorn.Server(settings)
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            server.run()
        except BaseException as error:  # told by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=serve, name="service", daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                cause = failed[0] if failed else None
                raise RuntimeError("the service did not begin; its log says why") from cause
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=3 * _SECONDS_TO_END)
