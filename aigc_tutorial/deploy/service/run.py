"""The service as a program: its settings, and how it begins and ends."""

import contextlib
import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from aigc_tutorial import zoo
from aigc_tutorial.config import Config
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.deploy.service.limits import Limits
from aigc_tutorial.environment import require

KEY_VARIABLE = "AIGC_TUTORIAL_API_KEY"
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"[\w.-]+|\[[0-9a-fA-F:.]+\]")
_SILENT = ("mnist-classifier",)  # neither writes nor draws


@dataclass(frozen=True)
class ServiceConfig(Config):
    """Settings of :func:`serve`.

    Attributes:
        models: Names of the zoo; without any, all models that write or draw.
        host: Address to listen at. Another one than this machine's own wants an API key.
        port: Port to listen at; 0 takes a free one.
        api_key: What clients must know, at least 16 characters. Without it the environment
            variable AIGC_TUTORIAL_API_KEY, which other users of the machine cannot read. One that
            is set and empty is an error, and not a service without a key.
        hosts: Names under which the service answers, as they stand in an address, without the port.
            Without any, those of this machine itself where it listens there alone, and every name
            elsewhere.
        device: Where the models compute.
        n_threads: Threads of one computation; more than one seldom pays for models of this size.
        drain_seconds: How long requests may take to end when the service does.
        limits: How much a client may ask for.
    """

    models: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    device: str = "cpu"
    n_threads: int = 1
    drain_seconds: int = 30
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("port", at_least=0, at_most=65_535)
        self.require("n_threads", "drain_seconds", at_least=1)
        if unknown := sorted({*self.models} - {*servable()}):
            raise ValueError(
                f"models must be of those that write or draw, {', '.join(servable())}; got "
                f"{', '.join(unknown)}"
            )
        if self.api_key is not None:
            check_key(self.api_key, "api_key")
        if odd := [host for host in self.hosts if not _HOST.fullmatch(host)]:
            raise ValueError(
                "hosts must be names as they stand in an address, without https:// and without a "
                f"port, such as models.example.org or [::1]; got {', '.join(map(repr, odd))}"
            )


def check_key(key: str, name: str) -> str:
    """The key, if it can be one.

    Args:
        key: what clients must know.
        name: of the setting, for the message, which does not show the key.

    Raises:
        ValueError: if it is short, or no client could send it.
    """
    if len(key) < 16 or not re.fullmatch(r"[!-~]*", key):
        raise ValueError(
            f"{name} must have at least 16 characters, of ASCII and no spaces: a program can try "
            'many. This makes one: python -c "import secrets; print(secrets.token_urlsafe())"'
        )
    return key


def servable() -> tuple[str, ...]:
    """Names of the zoo's models that write or draw."""
    return tuple(name for name in zoo.names() if name not in _SILENT)


def serve(config: ServiceConfig = ServiceConfig()) -> None:
    """Serve models over HTTP until the process is told to end (Ctrl-C, SIGTERM).

    Then nothing new is taken, and what has begun may end, for ``drain_seconds`` at most; a second
    Ctrl-C ends at once.

    To let others use it, put it behind a server that speaks TLS, on the same machine. Two lines of
    a Caddyfile do, and the name has to be in ``hosts``::

        models.example.org
        reverse_proxy 127.0.0.1:8000

    Args:
        config: what to serve, and where.

    Raises:
        ValueError: if it would be open to other machines without an API key, or the key of the
            environment can be none.
        MissingDependencyError: if the extra "serve" is not installed.
    """
    uvicorn = require("uvicorn", extra="serve")
    server = uvicorn.Server(server_settings(make_app(config), config))
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn when all has ended
        server.run()


def make_app(config: ServiceConfig) -> Any:
    """The application of these settings, with its models loaded.

    Raises:
        ValueError: as :func:`serve` says.
    """
    api_key = config.api_key
    if api_key is None and KEY_VARIABLE in os.environ:
        api_key = check_key(os.environ[KEY_VARIABLE].strip(), KEY_VARIABLE)
    is_local = is_loopback(config.host)
    if api_key is None and not is_local:
        raise ValueError(
            f"host is {config.host}, where other machines reach the service, so it wants an API "
            f"key: set {KEY_VARIABLE}, or leave host at 127.0.0.1 and put a proxy before it"
        )
    require("fastapi", extra="serve")
    from aigc_tutorial.deploy.service.app import create_app
    from aigc_tutorial.deploy.service.models import from_zoo

    torch.set_num_threads(config.n_threads)
    tune_cpu()
    names: Sequence[str] = config.models or servable()
    hosts = config.hosts or ((*LOOPBACK_NAMES, config.host) if is_local else ())
    models = from_zoo(names, config.device)
    return create_app(models, config.limits, api_key=api_key, hosts=hosts)


def server_settings(app: Any, config: ServiceConfig) -> Any:
    """How uvicorn runs the application."""
    return require("uvicorn", extra="serve").Config(
        app,
        host=config.host,
        port=config.port,
        access_log=False,  # /metrics counts, and whose text it was is nobody's business
        server_header=False,
        timeout_graceful_shutdown=config.drain_seconds,
    )


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
