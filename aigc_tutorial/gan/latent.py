"""Paths through latent space.

In many dimensions nearly all of N(0, I) lies in a thin shell of radius √Z. A straight line between
two latents cuts through the inside of that shell, where a generator has never been trained; the
paths here stay on it.
"""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from aigc_tutorial.data.checks import Samples, as_given, require_finite
from aigc_tutorial.gan.base import Generator
from aigc_tutorial.integers import IntegersLike, as_count, as_labels
from aigc_tutorial.nn import evaluation_mode


def great_circle(
    z_cosine: Float[Tensor, "B Z"] | Samples, z_sine: Float[Tensor, "B Z"] | Samples, n_frames: int
) -> Float[Tensor, "n_frames B Z"]:
    r"""Closed loops :math:`z(t) = a \cos 2\pi t + b \sin 2\pi t` through two latents each.

    If a and b are independent draws of N(0, I), then so is z(t) for every t, since
    cos² + sin² = 1: the generator meets nothing on the way that it did not meet in training.

    Args:
        z_cosine: a, where the loops start.
        z_sine: b, where they are after a quarter.
        n_frames: points on each loop; the point after the last is the first again.

    Returns:
        The points, on the device of ``z_cosine``.

    Raises:
        ValueError: if ``n_frames`` is below 1, if the two have different shapes, or are integers.
    """
    as_count(n_frames, "n_frames")
    z_cosine, z_sine = _as_pair(z_cosine, z_sine)
    angle = 2 * math.pi * torch.arange(n_frames, device="cpu") / n_frames
    cosine, sine = angle.cos()[:, None, None].to(z_cosine), angle.sin()[:, None, None].to(z_cosine)
    return cosine * z_cosine + sine * z_sine.to(z_cosine)


def slerp(
    z_from: Float[Tensor, " Z"] | Samples, z_to: Float[Tensor, " Z"] | Samples, n_steps: int
) -> Float[Tensor, "n_steps Z"]:
    r"""Spherical interpolation between two latents (Shoemake, 1985; White, 2016, 1609.04468).

    .. math:: z(t) = \frac{\sin((1-t)\omega)}{\sin\omega}\, z_0
                     + \frac{\sin(t\omega)}{\sin\omega}\, z_1,
              \quad \omega = \angle(z_0, z_1)

    Args:
        z_from: z_0, the first point.
        z_to: z_1, the last point.
        n_steps: number of points with both ends, at least 2.

    Returns:
        The points, on the device of ``z_from``.

    Raises:
        ValueError: if a latent is zero or the two point in opposite directions, since no shortest
            way between them is defined then; if they have different shapes or are batches, or have
            NaN, or are integers.
    """
    as_count(n_steps, "n_steps, with both ends,", at_least=2)
    z_from, z_to = _as_pair(z_from, z_to)
    if z_from.ndim != 1:
        raise ValueError(
            f"slerp goes from one latent to one other, of shape (Z,), got {tuple(z_from.shape)}; "
            "take single rows of a batch, such as z[0] and z[1]"
        )
    z_to = z_to.to(z_from)
    lengths = float(z_from.norm()), float(z_to.norm())
    if min(lengths) == 0:
        raise ValueError("a latent of length zero has no direction to interpolate from or to")
    cosine = float(torch.dot(z_from / lengths[0], z_to / lengths[1]))
    t = torch.linspace(0, 1, n_steps, device="cpu").to(z_from)[:, None]
    if cosine > 1 - 1e-6:  # the arc is so short that it is straight
        return torch.lerp(z_from.expand(n_steps, -1), z_to.expand(n_steps, -1), t)
    if cosine < -1 + 1e-6:
        raise ValueError(
            "the latents point in opposite directions: every way round is equally long"
        )
    angle = math.acos(cosine)
    return (((1 - t) * angle).sin() * z_from + (t * angle).sin() * z_to) / math.sin(angle)


def truncate(z: Float[Tensor, "B Z"] | Samples, psi: float) -> Float[Tensor, "B Z"]:
    r"""Scale latents towards the centre: :math:`z \mapsto \psi z`, the truncation trick.

    A generator has seen most latents of the middle, so with ψ < 1 its samples look cleaner and vary
    less: precision is bought with recall. With ψ = 0 all are one image. Brock et al. (2019,
    arXiv 1809.11096) draw again what falls outside a bound instead; Karras et al. (2019,
    arXiv 1812.04948) scale as here, in a latent space of their own.

    Args:
        z: latents, draws of N(0, I).
        psi: ψ, from 0 to 1; 1 leaves the latents alone.

    Raises:
        ValueError: if ψ lies elsewhere, or the latents are integers or not finite.
    """
    if not 0 <= psi <= 1:
        raise ValueError(f"psi must lie between 0 (one image) and 1 (no truncation), got {psi}")
    z = as_given(z, "the latents")
    if not z.is_floating_point():
        raise ValueError(
            f"latents are floating point numbers, got {z.dtype}; convert them by .float()"
        )
    require_finite(z, "the latents")
    return psi * z


@torch.no_grad()
def decode(
    model: Generator,
    z: Float[Tensor, "B Z"] | Samples,
    labels: Int64[Tensor, " B"] | IntegersLike | None = None,
) -> Float[Tensor, "B C H W"]:
    """Generate images from latents in evaluation mode, then restore the model's mode.

    Args:
        model: the generator.
        z: latents, on any device.
        labels: class of each image, for a generator with classes, and only for such.

    Returns:
        Images in [-1, 1], on the CPU.

    Raises:
        ValueError: if labels are missing, superfluous, not one a latent, or no classes.
    """
    z = as_given(z, "the latents")
    classes = as_labels(labels, model.n_classes, batch_size=len(z))
    told = () if classes is None else (classes.to(model.device),)
    with evaluation_mode(model):
        return model(z.to(next(model.parameters())), *told).cpu()


@torch.no_grad()
def latents_by_digit(
    model: Generator,
    classifier: nn.Module,
    *,
    rng: torch.Generator | None = None,
    n_candidates: int = 500,
    n_classes: int = 10,
) -> Float[Tensor, "n_classes Z"]:
    """For each digit find a latent vector whose image the classifier calls that digit.

    Of ``n_candidates`` random latents the one with the highest probability for its digit is
    taken. This chooses a typical digit; it is no measure of quality.

    Args:
        model: the generator.
        classifier: names images; on any device.
        rng: source of the candidates.
        n_candidates: latents to choose from.
        n_classes: classes to find, at most as many as the classifier knows.

    Returns:
        One latent a class, on the CPU.

    Raises:
        ValueError: if the classifier finds none of some digit among the candidates, or knows fewer
            classes than ``n_classes``, or if the generator has classes.
    """
    if model.n_classes is not None:
        raise ValueError(
            "a generator with classes draws the digit that it is asked for from any latent: give "
            "the digits as labels to its sample, or to decode"
        )
    z = model.sample_latent(n_candidates, rng=rng)
    images = decode(model, z)
    with evaluation_mode(classifier):
        logits = classifier(images.to(next(classifier.parameters()))).cpu()
    if not 1 <= n_classes <= logits.shape[1]:
        raise ValueError(
            f"n_classes must lie between 1 and the classifier's {logits.shape[1]}, got {n_classes}"
        )
    probability = logits.softmax(dim=1)
    labels = logits.argmax(dim=1)
    missing = sorted(set(range(n_classes)) - set(labels.tolist()))
    if missing:
        raise ValueError(
            f"among {n_candidates} samples the classifier found no {', '.join(map(str, missing))}: "
            "the generator has collapsed, or n_candidates is too small"
        )
    best = [
        int(probability[:, digit].masked_fill(labels != digit, -1).argmax())
        for digit in range(n_classes)
    ]
    return z.cpu()[best]


def _as_pair(one: Samples, other: Samples) -> tuple[Tensor, Tensor]:
    a, b = as_given(one, "the latents"), as_given(other, "the latents")
    if not (a.is_floating_point() and b.is_floating_point()):
        raise ValueError(
            f"latents are floating point numbers, got {a.dtype} and {b.dtype}; convert them by "
            ".float()"
        )
    if a.shape != b.shape:
        raise ValueError(
            f"both latents must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    require_finite(a, "the first latent")
    require_finite(b, "the second latent")
    return a, b
