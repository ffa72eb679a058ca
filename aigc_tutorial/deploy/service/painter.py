"""Digits that are drawn one request after the other, a few pixels at a time.

A PixelCNN takes half a second for an image. In between, the worker goes on with texts, and sees
whether the client is still there.
"""

import base64
import io
from collections import deque
from collections.abc import Iterator
from itertools import islice

import torch
from jaxtyping import UInt8
from torch import Tensor

from aigc_tutorial.ar.generation import pixels
from aigc_tutorial.ar.interface import PixelModel
from aigc_tutorial.deploy.service.errors import ServiceError, model_failed
from aigc_tutorial.deploy.service.jobs import Answers, ImageJob, Step
from aigc_tutorial.deploy.service.models import ImageModel
from aigc_tutorial.environment import require

PIXELS_A_STEP = 4


class ImagePainter:
    """Draws what is asked for, in the order in which it was.

    Args:
        name: of the model, for errors.
        served: the model.
    """

    def __init__(self, name: str, served: ImageModel) -> None:
        self.name = name
        self.model = served.model
        self.waiting: deque[ImageJob] = deque()
        self._job: ImageJob | None = None
        self._drawing: Iterator[Tensor] = iter(())
        self._last: Tensor | None = None

    @property
    def n_running(self) -> int:
        """Drawings that are being made: 1 or 0."""
        return int(self._job is not None)

    @property
    def is_busy(self) -> bool:
        """Whether a step would do anything."""
        return self._job is not None or bool(self.waiting)

    def submit(self, job: ImageJob) -> None:
        """Let a drawing wait for its turn."""
        self.waiting.append(job)

    def cancel(self, job: ImageJob) -> bool:
        """Forget a drawing; return whether it was still here."""
        if job in self.waiting:
            self.waiting.remove(job)
            return True
        if self._job is not job:
            return False
        self._end()
        return True

    def step(self) -> Answers:
        """Draw a few pixels further, or begin the next drawing."""
        if self._job is None:
            if not self.waiting:
                return []
            self._job = self.waiting.popleft()
            self._drawing = self._begin(self._job)
        job = self._job
        try:
            drawn = list(islice(self._drawing, PIXELS_A_STEP))
            if drawn:
                self._last = drawn[-1]
            if len(drawn) == PIXELS_A_STEP or self._last is None:
                return []
            step = Step(images=_as_bytes(self._last), finish="stop")
        except ValueError as error:
            step = Step(error=model_failed(self.name, str(error)))
        self._end()
        return [(job, step)]

    def fail(self, error: ServiceError) -> Answers:
        """End everything with an error."""
        jobs = [self._job] if self._job is not None else []
        jobs += self.waiting
        self._end()
        self.waiting.clear()
        return [(job, Step(error=error)) for job in jobs]

    def _begin(self, job: ImageJob) -> Iterator[Tensor]:
        """The images after every pixel, in [-1, 1]; a GAN has all pixels at once."""
        labels = None if job.digit is None else [job.digit] * job.n
        if isinstance(self.model, PixelModel):
            scale = 2 / (self.model.config.n_levels - 1)
            drawing = pixels.stream(self.model, job.n, labels, rng=job.rng)
            return (levels.float().mul(scale).sub(1) for levels in drawing)
        return iter([self.model.sample(job.n, labels, rng=job.rng)[:, 0]])

    def _end(self) -> None:
        self._job, self._drawing, self._last = None, iter(()), None


def _as_bytes(images: Tensor) -> UInt8[Tensor, "B H W"]:
    """Grey values 0 … 255 of images in [-1, 1].

    Raises:
        ValueError: if a pixel is not a finite number, which a cast would make black or white.
    """
    if not images.isfinite().all():
        raise ValueError("it drew pixels that are not finite numbers; was its training stable?")
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def as_png(image: UInt8[Tensor, "H W"]) -> str:
    """An image as PNG, in Base64."""
    file = io.BytesIO()
    require("PIL.Image", extra="serve").fromarray(image.numpy()).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")
