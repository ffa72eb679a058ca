"""``aigc-tutorial serve``: models over HTTP, in the shape of OpenAI's API."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from aigc_tutorial.cli.parsing import parse_as
from aigc_tutorial.deploy import service
from aigc_tutorial.deploy.service import ServiceConfig

EXAMPLES = (
    "aigc-tutorial serve",
    "aigc-tutorial serve --models shakespeare-characters mnist-conditional-gan --port 8001",
    "aigc-tutorial serve --limits.max-tokens 256 --limits.max-queue 16",
)


@dataclass(frozen=True)
class Serve:
    """Serve models over HTTP: /v1/completions, /v1/images/generations, and a page at /.

    What clients of OpenAI's API speak they speak here. Texts that are asked for at the same time
    are written in one batch. Ctrl-C takes nothing new and lets what has begun end; a second one
    ends at once.

    Attributes:
        config: what to serve, and where.
    """

    config: Annotated[ServiceConfig, tyro.conf.arg(name="")] = field(default_factory=ServiceConfig)

    def run(self) -> None:
        """Serve until told to end."""
        service.serve(self.config)


def parse(arguments: Sequence[str]) -> Serve:
    """Understand what follows ``serve``."""
    return parse_as(Serve, arguments, command="serve", examples=EXAMPLES)
