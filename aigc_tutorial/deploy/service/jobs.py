"""What the worker is asked for, and what it answers, step by step."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import UInt8
from torch import Tensor

from aigc_tutorial.deploy.service.errors import ServiceError


@dataclass(frozen=True)
class Step:
    """A piece of an answer.

    Attributes:
        text: what is new of a text.
        n_tokens: how many tokens were drawn for it.
        images: all images of a drawing.
        finish: why the answer ends here; None while it goes on.
        error: why it ends without a result.
    """

    text: str = ""
    n_tokens: int = 0
    images: UInt8[Tensor, "B H W"] | None = None
    finish: Literal["stop", "length"] | None = None
    error: ServiceError | None = None

    @property
    def is_last(self) -> bool:
        """Whether nothing comes after this."""
        return self.finish is not None or self.error is not None


@dataclass(eq=False)
class Job:
    """One sequence or one drawing that is waited for.

    Attributes:
        model: name of the model that is asked.
        index: its number within the request.
        inbox: where the steps go, with the number.
        loop: the event loop that reads the inbox.
        asked: when it was submitted, by the worker's clock.
        spoke: when its last token came; None before the first.
    """

    model: str
    index: int = 0
    inbox: "asyncio.Queue[tuple[int, Step]] | None" = None
    loop: asyncio.AbstractEventLoop | None = None
    asked: float = 0.0
    spoke: float | None = None


@dataclass(eq=False)
class TextJob(Job):
    """A sequence to go on from.

    Attributes:
        prompt: its tokens.
        max_new_tokens: how many to write at most.
        temperature: see ``ar.SamplingConfig``.
        top_p: the same; 1 for all tokens.
        stops: texts at which it ends.
        rng: its own source of randomness.
    """

    prompt: list[int] = field(default_factory=list)
    max_new_tokens: int = 16
    temperature: float = 1.0
    top_p: float = 1.0
    stops: tuple[str, ...] = ()
    rng: torch.Generator = field(default_factory=torch.Generator)


@dataclass(eq=False)
class ImageJob(Job):
    """Images to draw.

    Attributes:
        n: how many.
        digit: which digit; None for a model that cannot be asked for one.
        rng: its own source of randomness.
    """

    n: int = 1
    digit: int | None = None
    rng: torch.Generator = field(default_factory=torch.Generator)


Answers = list[tuple[Any, Step]]
"""Jobs, each with its next step."""
