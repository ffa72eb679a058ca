"""Weather bulletins of one fixed form: a small text with a style that can be checked."""

import math
import re

import torch

from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count

_PARTS: tuple[tuple[str, ...], ...] = (
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    (" morning: ", " afternoon: ", " evening: ", " night: "),
    (
        "clear sky",
        "fog in the valleys",
        "light rain",
        "heavy rain",
        "snow on the hills",
        "scattered clouds",
    ),
    tuple(f", {degrees} degrees. " for degrees in range(-5, 26)),
    ("A light", "A fresh", "A strong"),
    tuple(f" wind from the {side}. " for side in ("north", "south", "east", "west")),
    (
        "Take a coat.\n",
        "Stay at home.\n",
        "Good for a walk.\n",
        "The roads are wet.\n",
        "The roads are dry.\n",
    ),
)
_FORM = re.compile("".join(f"(?:{'|'.join(map(re.escape, part))})" for part in _PARTS))

BULLETIN_ENTROPY = sum(math.log(len(part)) for part in _PARTS)
"""Entropy of one bulletin in nats: every choice is free and all are equally likely."""


def weather_bulletins(n: int, *, rng: torch.Generator) -> str:
    r"""Bulletins, one a line, each choice drawn independently.

    >>> print(weather_bulletins(1, rng=torch.Generator().manual_seed(0)), end="")
    Friday night: scattered clouds, 9 degrees. A fresh wind from the west. Good for a walk.

    Args:
        n: how many.
        rng: source of randomness, on the CPU.
    """
    as_count(n, "n")
    require_rng(rng)
    choices = [
        torch.randint(len(part), (n,), generator=rng, device="cpu").tolist() for part in _PARTS
    ]
    return "".join(
        part[i] for row in zip(*choices, strict=True) for part, i in zip(_PARTS, row, strict=True)
    )


def share_of_bulletins(text: str) -> float:
    """Share of the complete lines of a text that have exactly the form of a bulletin.

    What follows the last line break is no complete line. A text without one has the share 0.
    """
    lines = text.split("\n")[:-1]
    if not lines:
        return 0.0
    return sum(_FORM.fullmatch(line + "\n") is not None for line in lines) / len(lines)
