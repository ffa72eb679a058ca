"""Exercises of the page on building the models."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "04_1_models"


def _size_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((3, 2, 4, 5), (65, 8, 32, 256), (1_000, 1, 16, 7))


@exercise(
    "window-parameters",
    page=PAGE,
    level="warm-up",
    cases=_size_cases,
    hint="an embedding for each token; a matrix from the whole window to the hidden units, with a "
    "bias; a matrix from these to the logits, with a bias.",
    remark="Most weights of a large vocabulary sit in its two ends: the embedding and the output.",
    mistakes=[
        Mistake(
            lambda v, n, e, h: v * e + n * e * h + h * v,
            "the matrices are right. Both layers have a bias as well.",
        ),
        Mistake(
            lambda v, n, e, h: v * e + e * h + h + h * v + v,
            "the hidden layer sees n embeddings at once, so its matrix has n times E columns.",
        ),
        Mistake(
            lambda v, n, e, h: n * e * h + h + h * v + v,
            "the embeddings are weights, too: a row of E numbers for each token.",
        ),
        Mistake(
            lambda v, n, e, h: n * v * e + n * e * h + h + h * v + v,
            "all places of the window share one table of embeddings.",
        ),
    ],
)
def window_parameters(vocab_size: int, window: int, embedding_dim: int, hidden_dim: int) -> int:
    """Number of weights of softmax(A tanh(C [e(x_1); ...; e(x_n)] + b) + c), embeddings included.

    The sizes are V, n, E and H, in this order.
    """
    hidden = window * embedding_dim * hidden_dim + hidden_dim
    return vocab_size * embedding_dim + hidden + hidden_dim * vocab_size + vocab_size


def _density_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for m, s in ((0.0, 1.0), (1.0, 0.5), (-2.0, 3.0)):
        yield torch.rand(20, generator=rng) * 4 + 0.05, m, s


def _normal_density(z: Tensor) -> Tensor:
    return torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


@exercise(
    "pushforward-density",
    page=PAGE,
    level="core",
    cases=_density_cases,
    hint="solve x = exp(m + s z) for z; divide the normal density there by G'(z), which is s x.",
    remark="This is the log-normal distribution: the logarithm of x is normal.",
    mistakes=[
        Mistake(
            lambda x, m, s: _normal_density((x.log() - m) / s),
            "this is the density of z. The map stretches: divide by its slope.",
        ),
        Mistake(
            lambda x, m, s: _normal_density((x.log() - m) / s) / x,
            "the slope of exp(m + s z) by z has a factor s.",
        ),
        Mistake(
            lambda x, m, s: _normal_density((x.log() - m) / s) * s * x,
            "where the map is steep its samples are rare: divide by the slope, do not multiply.",
        ),
        Mistake(
            lambda x, m, s: _normal_density(x) / (s * torch.exp(m + s * x)),
            "x is not the latent. Which z leads to this x?",
        ),
    ],
)
def pushforward_density(x: Float[Tensor, " N"], m: float, s: float) -> Float[Tensor, " N"]:
    """Density at the points ``x`` of G(z) = exp(m + s z), for z drawn from N(0, 1).

    All ``x`` and ``s`` are positive.
    """
    z = (x.log() - m) / s
    density_z = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return density_z / (s * x)


def _noise_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for batch, vocab_size in ((1, 2), (50, 6), (30, 40)):
        probs = (2 * torch.randn(batch, vocab_size, generator=rng)).softmax(1)
        yield probs, torch.rand(batch, generator=rng)
    zero_first = torch.tensor([[0.0, 0.25, 0.75]]).expand(3, 3)
    yield zero_first, torch.tensor([0.0, 0.25, 0.9])


@exercise(
    "tokens-from-noise",
    page=PAGE,
    level="core",
    cases=_noise_cases,
    hint="cumsum gives the upper ends of the intervals; count how many of them are not above u.",
    remark="The same u gives the same token: all chance is in the noise, none in the model.",
    mistakes=[
        Mistake(
            lambda probs, u: probs.argmax(1),
            "the most probable token, whatever the noise says. Nothing is random in it.",
        ),
        Mistake(
            lambda probs, u: (probs <= u[:, None]).sum(1),
            "compare u with the sums of the probabilities up to each token, not with each alone.",
        ),
        Mistake(
            lambda probs, u: (probs.cumsum(1) <= u[:, None]).sum(1) + 1,
            "tokens are numbered from 0.",
        ),
        Mistake(
            lambda probs, u: (probs.cumsum(1) < u[:, None]).sum(1),
            "at u = 0 this picks token 0 even if its probability is 0: the sum must be greater "
            "than u, and equal is not greater.",
        ),
    ],
)
def tokens_from_noise(probs: Float[Tensor, "B V"], u: Float[Tensor, " B"]) -> Int64[Tensor, " B"]:
    """Token of each row: the smallest k for which probs[0] + ... + probs[k] is greater than u.

    Rows of ``probs`` sum to 1, and ``u`` lies between 0 and 1.
    """
    return (probs.cumsum(dim=1) <= u[:, None]).sum(dim=1)


def _surface_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for pixels, latents, scale in ((1, 1, 2.0), (5, 2, 0.5), (200, 64, 100.0)):
        jacobian = scale * torch.randn(pixels, latents, generator=rng, dtype=torch.float64)
        yield jacobian, torch.randn(latents, generator=rng, dtype=torch.float64)


def _normal_log_density(z: Tensor) -> Tensor:
    return -0.5 * (z.square().sum() + len(z) * math.log(2 * math.pi))


@exercise(
    "surface-log-density",
    page=PAGE,
    level="research",
    cases=_surface_cases,
    hint="the normal log density of z, minus the logarithm of the area of the parallelepiped that "
    "the columns of the Jacobian J span. The square of this area is det(J' J); slogdet gives its "
    "logarithm.",
    remark="With as many latents as pixels the area is |det J|, and this is how a normalizing flow "
    "is trained. Here it compares images on the surface and says nothing about any other.",
    mistakes=[
        Mistake(
            lambda jacobian, z: _normal_log_density(z),
            "this is the density of the latent. The map stretches the space around it.",
        ),
        Mistake(
            lambda jacobian, z: _normal_log_density(z) - (jacobian.T @ jacobian).logdet(),
            "det(J' J) is the square of the area.",
        ),
        Mistake(
            lambda jacobian, z: _normal_log_density(z) + 0.5 * (jacobian.T @ jacobian).logdet(),
            "where the map stretches, the samples are rare: the area divides.",
        ),
        Mistake(
            lambda jacobian, z: -0.5 * z.square().sum() - 0.5 * (jacobian.T @ jacobian).logdet(),
            "the density of Z normal numbers has the factor 1/√(2π) for each of them.",
        ),
        Mistake(
            lambda jacobian, z: _normal_log_density(z) - jacobian.norm(dim=0).log().sum(),
            "the lengths of the columns multiply to the area only if they are orthogonal.",
        ),
        Mistake(
            lambda jacobian, z: _normal_log_density(z) - 0.5 * (jacobian.T @ jacobian).det().log(),
            "with 64 latents the determinant overflows. Never form it: slogdet.",
        ),
    ],
)
def surface_log_density(
    jacobian: Float[Tensor, "D Z"], z: Float[Tensor, " Z"]
) -> Float[Tensor, ""]:
    """Log of the probability per unit of area, on a generator's surface, at the image of ``z``.

    ``jacobian`` (D, Z) holds the derivatives of the D pixels by the Z latents there, Z <= D, and
    has rank Z. The latents are standard normal. A determinant may be larger than any float.
    """
    log_density_z = -0.5 * (z.square().sum() + len(z) * math.log(2 * math.pi))
    return log_density_z - 0.5 * torch.linalg.slogdet(jacobian.T @ jacobian).logabsdet
