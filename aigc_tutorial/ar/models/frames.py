"""Films one frame at a time: a convolutional network reads two frames and predicts the next."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aigc_tutorial.config import Config
from aigc_tutorial.data.checks import require_rng
from aigc_tutorial.integers import as_count, from_array
from aigc_tutorial.nn import Pretrained, evaluation_mode, full_precision

Films: TypeAlias = Float[Tensor, "B T H W"] | Float[np.ndarray, "B T H W"]
"""Frames of films as a tensor or an array of any floating-point type: 1 is ink, 0 is none."""

_BLOCK = 2  # the network works on blocks of 2 × 2 pixels: a quarter of the places


@dataclass(frozen=True)
class FrameModelConfig(Config):
    """Configuration of :class:`FrameModel`.

    Attributes:
        n_past: frames that a prediction sees. One shows where things are, two also how they move.
        width: D, feature maps of a layer.
        n_layers: residual convolutions; each lets a pixel see two pixels further.
    """

    n_past: int = 2
    width: int = 32
    n_layers: int = 4

    def __post_init__(self) -> None:
        """Check every setting."""
        super().__post_init__()
        self.require("n_past", "width", "n_layers", at_least=1)


class FrameModel(Pretrained):
    r"""Black and white frames, each drawn given those just before it.

    .. math::
        p(x_t \mid x_{t-1}, x_{t-2}) = \prod_{i,j} p(x_{t,i,j} \mid x_{t-1}, x_{t-2}),
        \qquad p(x_{t,i,j} = 1 \mid \cdot) = \sigma(a_{i,j})

    The logits a are computed by one pass of convolutions, so a frame costs one step, however many
    pixels it has. The price is the product: given the past, the pixels of a frame are independent.
    A model that is unsure whether a digit goes left or right cannot draw one of the two, as a
    PixelCNN inside each frame could (Kalchbrenner et al. 2017, Video pixel networks).

    Zeros around the frame tell the walls, because one map of ones goes in with the frames.
    """

    config_class = FrameModelConfig
    config: FrameModelConfig

    def __init__(self, config: FrameModelConfig = FrameModelConfig()) -> None:
        super().__init__(config)
        width = config.width
        self.first = nn.Conv2d(config.n_past * _BLOCK**2 + 1, width, 5, padding=2)
        self.layers = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1) for _ in range(config.n_layers)
        )
        self.output = nn.Conv2d(width, _BLOCK**2, 3, padding=1)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)  # at first every pixel is ink with probability 1/2

    def forward(self, past: Float[Tensor, "B n_past H W"]) -> Float[Tensor, "B H W"]:
        """Logits of ink in the next frame; height and width must be even.

        Raises:
            ValueError: if the number of frames is not ``n_past``, or a side is odd.
        """
        _, n_frames, height, width = past.shape
        if n_frames != self.config.n_past or height % _BLOCK or width % _BLOCK:
            raise ValueError(
                f"expected {self.config.n_past} frames of even height and width, got {n_frames} "
                f"of {height} × {width}"
            )
        blocks = F.pixel_unshuffle(past, _BLOCK)
        h = torch.relu(self.first(torch.cat([blocks, torch.ones_like(blocks[:, :1])], dim=1)))
        for layer in self.layers:
            h = h + torch.relu(layer(h))
        return F.pixel_shuffle(self.output(h), _BLOCK)[:, 0]

    def nll(self, films: Films) -> Float[Tensor, "B N"]:
        r"""Negative log-likelihood in nats of each frame given the true ones before it.

        The first ``n_past`` frames are given, so T frames make N = T - ``n_past`` numbers.

        Args:
            films: 1 where there is ink, 0 elsewhere; converted to the weights' type.

        Raises:
            ValueError: if there is no frame to predict, or values lie outside of 0 … 1.
        """
        n_past = self.config.n_past
        films = _as_ink(films, self.first.weight)
        if films.shape[1] <= n_past:
            raise ValueError(
                f"the first {n_past} frames are given; a film of {films.shape[1]} leaves none to "
                "predict"
            )
        windows = films.unfold(1, n_past + 1, 1).movedim(-1, 2)  # (B, N, n_past + 1, H, W)
        logits = full_precision(self(windows[:, :, :-1].flatten(0, 1)))
        targets = windows[:, :, -1].flatten(0, 1).to(logits.dtype)
        nll = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return nll.sum(dim=(1, 2)).view(windows.shape[:2])

    @torch.no_grad()
    def continue_films(
        self,
        beginnings: Films,
        n_frames: int,
        *,
        rng: torch.Generator | None = None,
    ) -> Float[Tensor, "B n_frames H W"]:
        """Go on from the first frames, each new one made from the model's own last ones.

        Args:
            beginnings: the n_past frames that are given; converted to the weights' type.
            n_frames: how many to make.
            rng: draws each pixel with its probability; None takes the likelier colour.

        Returns:
            The new frames alone, in the weights' type.

        Raises:
            ValueError: if the beginnings are not ``n_past`` frames of 0 … 1, no frame is asked
                for, or the model's logits are not numbers.
        """
        if rng is not None:
            require_rng(rng)
        beginnings = _as_ink(beginnings, self.first.weight)
        n_frames = as_count(n_frames, "n_frames")
        if beginnings.shape[1] != self.config.n_past:
            raise ValueError(
                f"expected the first {self.config.n_past} frames, got {beginnings.shape[1]}"
            )
        frames = list(beginnings.unbind(dim=1))
        with evaluation_mode(self):
            for _ in range(n_frames):
                ink = torch.sigmoid(self(torch.stack(frames[-self.config.n_past :], dim=1)))
                if ink.isnan().any():
                    raise ValueError(
                        "the model's logits are not numbers (NaN); probably its training has "
                        "diverged: go back to an earlier checkpoint, and lower the learning rate"
                    )
                dice = 0.5 if rng is None else _uniform(ink, rng)
                frames.append((ink > dice).to(beginnings))
        return torch.stack(frames[self.config.n_past :], dim=1)


def _uniform(like: Tensor, rng: torch.Generator) -> Tensor:
    """Uniform numbers, drawn where the generator lives and moved to the device of ``like``."""
    noise = torch.rand(like.shape, generator=rng, device=rng.device, dtype=torch.float32)
    return noise.to(like.device)


def _as_ink(films: Any, weight: Tensor) -> Float[Tensor, "B T H W"]:
    """Films in the type of the weights and on their device, values looked at on the CPU alone.

    Raises:
        ValueError: if the films are not of shape (B, T, H, W), or the values no shares of ink.
    """
    frames = torch.as_tensor(from_array(films, "films"))
    if not frames.is_floating_point():
        kind = str(frames.dtype).removeprefix("torch.")
        raise ValueError(f"expected films as floating-point numbers, got {kind}; convert: .float()")
    if frames.ndim != 4:
        raise ValueError(
            "expected films of shape (batch, frames, height, width), got "
            f"{tuple(frames.shape)}; a single film needs a batch of its own: film[None]"
        )
    if frames.device.type == "cpu" and frames.numel():
        lowest, highest = (float(extreme) for extreme in frames.detach().aminmax())
        if not 0 <= lowest <= highest <= 1:
            raise ValueError(
                f"expected 1 where there is ink and 0 elsewhere, got values in {lowest:g} … "
                f"{highest:g}; images in [-1, 1] become such by (images + 1) / 2"
            )
    return frames.to(weight.device, weight.dtype)
