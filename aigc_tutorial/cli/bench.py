"""``aigc-tutorial bench``: how fast a running service answers one client, and many."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from aigc_tutorial.cli.parsing import parse_as
from aigc_tutorial.deploy import service
from aigc_tutorial.deploy.service import BenchConfig

EXAMPLES = (
    "aigc-tutorial bench",
    "aigc-tutorial bench --concurrency 1 8 64 --seconds 5 --folder out/bench",
)


@dataclass(frozen=True)
class Bench:
    """Measure a running service (aigc-tutorial serve) from one client to many.

    A line for each number of clients: tokens a second of all together, and the time to the first
    token, between tokens and to the end, each as 50, 95 and 99 %.

    Attributes:
        config: whom to ask, how much, and how long.
    """

    config: Annotated[BenchConfig, tyro.conf.arg(name="")] = field(default_factory=BenchConfig)

    def run(self) -> None:
        """Measure and print."""
        print(service.bench(self.config))


def parse(arguments: Sequence[str]) -> Bench:
    """Understand what follows ``bench``."""
    return parse_as(Bench, arguments, command="bench", examples=EXAMPLES)
