"""Made-up patients and photographs of their skin: an experiment with known truth, no medicine."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from aigc_tutorial.data.checks import require_finite, require_rng
from aigc_tutorial.integers import as_count

SIDE = 16
"""Height and width of a photograph in pixels."""

_HARMONICS = (2, 3, 4, 5)
_N_WAVES = 4
# How ragged the border and how mottled the inside are: median and spread of a log-normal.
_RAGGEDNESS = ((0.06, 0.40), (0.20, 0.40))
_MOTTLE = ((0.10, 0.40), (0.20, 0.40))


@dataclass(frozen=True)
class Photographs:
    """Photographs with the class of their patient.

    Attributes:
        images: (N, 1, 16, 16) in [-1, 1].
        labels: 1 for the rare class, 0 for the other.
        patients: number of the patient, the same for all photographs of one.
    """

    images: Float32[Tensor, "N 1 H W"]
    labels: Int64[Tensor, " N"]
    patients: Int64[Tensor, " N"]

    def __post_init__(self) -> None:
        """Check that each photograph has a class and a patient.

        Raises:
            ValueError: if a number of rows differs, a class is not 0 or 1, or a pixel is NaN.
        """
        shapes = [tuple(part.shape) for part in (self.images, self.labels, self.patients)]
        if self.images.ndim != 4 or not shapes[1] == shapes[2] == shapes[0][:1]:
            raise ValueError(
                "expected images (N, 1, H, W) with a class and a patient for each, both of shape "
                f"(N,), got {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        if not bool(((self.labels == 0) | (self.labels == 1)).all()):
            raise ValueError("labels must be 1 for the rare class and 0 for the other")
        require_finite(self.images, "images")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Tensor | Sequence[int]) -> "Photographs":
        """The photographs of the given rows, or of those at which a mask is True."""
        index = torch.as_tensor(rows, device=self.images.device)
        if index.numel() == 0:
            index = index.long()  # an empty list has no type of its own
        return Photographs(self.images[index], self.labels[index], self.patients[index])


@dataclass(frozen=True)
class Patients:
    """Patients, each with one spot on a skin of their own.

    A patient is a set of numbers: what the skin looks like, and where the spot lies, how large and
    dark it is, how ragged its border, how mottled its inside. Only the last two depend on the
    class, and their distributions overlap; so no rule is always right.

    Attributes:
        labels: (P,) class of each patient.
        skin: (P,) brightness around the spot.
        waves: (P, K, 4) strength, two frequencies and phase of each wave of the skin's texture.
        centre: (P, 2) of the spot, in pixels from the middle.
        radius: (P,) in pixels.
        darkness: (P,) of the spot against the skin.
        border: (P, H, 2) strength and phase of each harmonic of the border.
        mottle: (P, K, 4) waves inside the spot, as those of the skin.
    """

    labels: Int64[Tensor, " P"]
    skin: Float32[Tensor, " P"]
    waves: Float32[Tensor, "P K 4"]
    centre: Float32[Tensor, "P 2"]
    radius: Float32[Tensor, " P"]
    darkness: Float32[Tensor, " P"]
    border: Float32[Tensor, "P H 2"]
    mottle: Float32[Tensor, "P K 4"]

    def __len__(self) -> int:
        return len(self.labels)

    def photograph(self, n_each: int, *, rng: torch.Generator) -> Photographs:
        """Take ``n_each`` photographs of each patient, one patient after the other.

        From one to the next the camera turns by some degrees and moves by some pixels, the light
        changes a little, and every pixel has noise.

        Raises:
            ValueError: if ``n_each`` is below 1.
        """
        n = len(self) * as_count(n_each, "n_each")
        require_rng(rng)
        of = torch.arange(len(self), device="cpu").repeat_interleave(n_each)
        angle = 0.25 * _normal(n, rng)
        shift = 0.5 * _normal((n, 2), rng)
        light = 0.06 * _normal(n, rng)
        x, y = _grid(angle, shift)
        skin = self.skin[of, None, None] + _texture(self.waves[of], x, y)
        from_x = x - self.centre[of, 0, None, None]
        from_y = y - self.centre[of, 1, None, None]
        theta = torch.atan2(from_y, from_x)
        edge = torch.ones_like(x)
        for h, k in enumerate(_HARMONICS):
            strength, phase = self.border[of, h].T[:, :, None, None]
            edge = edge + strength * torch.cos(k * theta + phase)
        distance = torch.hypot(from_x, from_y) - self.radius[of, None, None] * edge
        spot = torch.sigmoid(-2 * distance)  # 1 inside, 0 outside, soft over a pixel
        inside = -self.darkness[of, None, None] + _texture(self.mottle[of], x, y)
        image = skin + spot * inside + light[:, None, None] + 0.06 * _normal(x.shape, rng)
        return Photographs(image.clamp(-1, 1)[:, None], self.labels[of], of)


def draw_patients(n_negative: int, n_positive: int, *, rng: torch.Generator) -> Patients:
    """Draw patients, first those of the frequent class, then those of the rare one.

    Raises:
        ValueError: if there is no patient of a class.
    """
    counts = [as_count(n_negative, "n_negative"), as_count(n_positive, "n_positive")]
    require_rng(rng)
    labels = torch.tensor([0, 1], device="cpu").repeat_interleave(
        torch.tensor(counts, device="cpu")
    )
    n = len(labels)
    raggedness = _log_normal(_RAGGEDNESS, labels, rng)
    shares = _uniform((n, len(_HARMONICS)), rng) + 0.2
    strengths = raggedness[:, None] * shares / shares.square().mean(dim=1, keepdim=True).sqrt()
    phases = 2 * math.pi * _uniform(strengths.shape, rng)
    return Patients(
        labels=labels,
        skin=0.45 + 0.15 * _normal(n, rng),
        waves=_waves(torch.full((n,), 0.07, device="cpu", dtype=torch.float32), rng),
        centre=1.0 * _normal((n, 2), rng),
        radius=4.2 + 0.6 * _normal(n, rng).clamp(-2, 2),
        darkness=0.75 + 0.12 * _normal(n, rng),
        border=torch.stack([strengths, phases], dim=2),
        mottle=_waves(_log_normal(_MOTTLE, labels, rng), rng),
    )


def _normal(shape: int | Sequence[int], rng: torch.Generator) -> Float32[Tensor, "..."]:
    size = (shape,) if isinstance(shape, int) else tuple(shape)
    return torch.randn(size, generator=rng, device="cpu", dtype=torch.float32)


def _uniform(shape: Sequence[int], rng: torch.Generator) -> Float32[Tensor, "..."]:
    return torch.rand(tuple(shape), generator=rng, device="cpu", dtype=torch.float32)


def _log_normal(
    of_class: Sequence[tuple[float, float]], labels: Int64[Tensor, " P"], rng: torch.Generator
) -> Float32[Tensor, " P"]:
    median, spread = torch.tensor(of_class, device="cpu", dtype=torch.float32)[labels].T
    return median * torch.exp(spread * _normal(len(labels), rng))


def _waves(strength: Float32[Tensor, " P"], rng: torch.Generator) -> Float32[Tensor, "P K 4"]:
    """Plane waves of random direction, 5 to 12 pixels long."""
    turn = 2 * math.pi * _uniform((len(strength), _N_WAVES, 2), rng)
    length = 5 + 7 * _uniform((len(strength), _N_WAVES), rng)
    frequency = 2 * math.pi / length
    direction, phase = turn.unbind(dim=2)
    parts = [
        strength[:, None].expand_as(length),
        frequency * direction.cos(),
        frequency * direction.sin(),
        phase,
    ]
    return torch.stack(parts, dim=2)


def _texture(
    waves: Float32[Tensor, "N K 4"], x: Float32[Tensor, "N H W"], y: Float32[Tensor, "N H W"]
) -> Float32[Tensor, "N H W"]:
    strength, along_x, along_y, phase = waves[..., None, None].unbind(dim=2)
    return (strength * torch.cos(along_x * x[:, None] + along_y * y[:, None] + phase)).sum(dim=1)


def _grid(
    angle: Float32[Tensor, " N"], shift: Float32[Tensor, "N 2"]
) -> tuple[Float32[Tensor, "N H W"], Float32[Tensor, "N H W"]]:
    """Where each pixel of a photograph lies on the skin, in pixels from the middle."""
    line = torch.arange(SIDE, device="cpu", dtype=torch.float32) - (SIDE - 1) / 2
    y, x = torch.meshgrid(line, line, indexing="ij")
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * x - sin * y + shift[:, 0, None, None], sin * x + cos * y + shift[:, 1, None, None]
