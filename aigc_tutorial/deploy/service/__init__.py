"""Models as a service over HTTP, in the shape of OpenAI's API.

Texts at ``/v1/completions``, digits at ``/v1/images/generations``, a page at ``/``, and what is of
use to those who run it at ``/health`` and ``/metrics``::

    from aigc_tutorial.deploy import service

    service.serve(service.ServiceConfig(models=("shakespeare-characters",)))

What clients speak already they speak here::

    import openai

    client = openai.OpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none is wanted")
    for piece in client.completions.create(
        model="shakespeare-characters", prompt="ROMEO:", max_tokens=200, seed=1, stream=True
    ):
        print(piece.choices[0].text, end="")

Texts that come at the same time are written in one batch. What a request with a seed gets does not
depend on the others in it.

To keep it running, a unit of systemd says how to begin it; it ends by SIGTERM, and lets those who
wait have their answers. The key stands in a file that root alone may read, as the line
``AIGC_TUTORIAL_API_KEY=…``::

    [Service]
    EnvironmentFile=/etc/aigc.env
    ExecStart=/path/to/.venv/bin/aigc-tutorial serve
    DynamicUser=yes
    Restart=on-failure
"""

from typing import TYPE_CHECKING, Any

from aigc_tutorial.deploy.service.background import running
from aigc_tutorial.deploy.service.bench import BenchConfig, Level, Report, bench
from aigc_tutorial.deploy.service.limits import Limits
from aigc_tutorial.deploy.service.run import ServiceConfig, serve
from aigc_tutorial.environment import require

if TYPE_CHECKING:
    from aigc_tutorial.deploy.service.app import create_app
    from aigc_tutorial.deploy.service.models import ImageModel, TextModel, from_zoo

_LATE = {"create_app": "app", "ImageModel": "models", "TextModel": "models", "from_zoo": "models"}

__all__ = [
    "BenchConfig",
    "ImageModel",
    "Level",
    "Limits",
    "Report",
    "ServiceConfig",
    "TextModel",
    "bench",
    "create_app",
    "from_zoo",
    "running",
    "serve",
]


def __getattr__(name: str) -> Any:
    """Load what needs the packages of the extra "serve", or much of this one, when it is used."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("fastapi", extra="serve")
    return getattr(require(f"{__name__}.{_LATE[name]}", extra="serve"), name)
