"""From a request for images to a job, and from its end to a response."""

import asyncio
import re
import time
from typing import Any

from aigc_tutorial.deploy.service.completions import generator
from aigc_tutorial.deploy.service.errors import ServiceError
from aigc_tutorial.deploy.service.jobs import ImageJob, Step
from aigc_tutorial.deploy.service.limits import Limits
from aigc_tutorial.deploy.service.models import ImageModel
from aigc_tutorial.deploy.service.painter import as_png
from aigc_tutorial.deploy.service.schema import ImageRequest
from aigc_tutorial.deploy.service.worker import Worker

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits_named(prompt: str) -> list[int]:
    """The numbers that a prompt names, as words or in figures.

    >>> digits_named("a seven, or 7 and 12")
    [7, 7, 12]
    """
    named = re.findall(rf"\d+|\b(?:{'|'.join(WORDS)})\b", prompt.lower(), re.ASCII)
    return [WORDS.index(word) if word in WORDS else int(word) for word in named]


def image_job(request: ImageRequest, served: ImageModel, limits: Limits) -> ImageJob:
    """The drawing that a request asks for.

    Raises:
        ServiceError: if it asks for more than there is, or for what this model cannot draw.
    """
    n = request.n or 1
    if n > limits.max_images:
        message = f"n is {n}, and at most {limits.max_images} images are drawn at once."
        raise ServiceError(400, message, param="n")
    if request.size not in (None, "auto", served.size):
        raise ServiceError(
            400,
            f"size is {request.size!r}, and {request.model} draws {served.size} only; leave size "
            "out.",
            param="size",
        )
    if request.response_format not in (None, "b64_json"):
        raise ServiceError(
            400,
            f"response_format is {request.response_format!r}, and images are sent as b64_json "
            "only: nothing is kept here that an address could lead to.",
            param="response_format",
        )
    digit = _digit(request, served)
    rng = generator(request.seed, 0)
    return ImageJob(model=request.model, n=n, digit=digit, rng=rng)


def _digit(request: ImageRequest, served: ImageModel) -> int | None:
    """Which digit to draw.

    Raises:
        ServiceError: if the prompt does not name one that the model can be asked for, or names one
            and the model cannot be asked.
    """
    named = sorted(set(digits_named(request.prompt)))
    if served.n_classes is None:
        if not named:
            return None
        raise ServiceError(
            400,
            f"The prompt asks for {_listed(named)}, and {request.model} cannot be asked for a "
            'digit: they come as they come. Write "a digit", or ask a model that knows digits, '
            "such as mnist-conditional-gan.",
            param="prompt",
        )
    if len(named) == 1 and named[0] < served.n_classes:
        return named[0]
    found = f"names {_listed(named)}" if named else "names none"
    raise ServiceError(
        400,
        f"{request.model} draws the digit that the prompt names, one of 0 to "
        f'{served.n_classes - 1}, and this prompt {found}. Write "a seven" or "7".',
        param="prompt",
    )


def _listed(numbers: list[int]) -> str:
    """Some numbers, not a page of them, each shortened: the prompt is a stranger's."""
    texts = [text if len(text) < 10 else f"{text[:9]}…" for text in map(str, numbers[:5])]
    return ", ".join(texts) + ("…" if len(numbers) > 5 else "")


async def drawn(job: ImageJob, worker: Worker) -> dict[str, Any]:
    """The response, when all is drawn.

    Raises:
        ServiceError: if there is no room, or the model fails.
    """
    job.inbox = inbox = asyncio.Queue[tuple[int, Step]]()
    job.loop = asyncio.get_running_loop()
    worker.submit([job])
    try:
        _, step = await inbox.get()
    finally:
        worker.cancel([job])
    if step.error is not None:
        raise step.error
    images = [] if step.images is None else list(step.images)
    data = [{"b64_json": as_png(image)} for image in images]
    return {"created": int(time.time()), "data": data}
