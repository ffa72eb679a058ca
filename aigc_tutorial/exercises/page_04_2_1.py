"""Exercises of the page on the mathematics of GANs."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from aigc_tutorial.exercises.registry import Mistake, exercise

PAGE = "04_2_1_gan_math"


def _density_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for scale in (1.0, 5.0, 300.0):  # exp(-300) is 0 in float32
        yield (
            -scale * torch.rand(12, generator=rng),
            -scale * torch.rand(12, generator=rng),
        )


@exercise(
    "optimal-discriminator",
    page=PAGE,
    level="warm-up",
    cases=_density_cases,
    hint="D* = p / (p + q) is the sigmoid of a difference of logarithms; which one?",
    remark="A discriminator trained to the end knows the ratio of two densities, without either.",
    mistakes=[
        Mistake(
            lambda log_p, log_q: log_p.exp() / (log_p.exp() + log_q.exp()),
            "right on paper. Where both densities are below the smallest float this is 0 / 0; "
            "divide both sides of the fraction by p first.",
        ),
        Mistake(
            lambda log_p, log_q: torch.sigmoid(log_q - log_p),
            "this is the probability of being generated.",
        ),
        Mistake(
            lambda log_p, log_q: log_p - log_q,
            "this is the best logit. The probability is its sigmoid.",
        ),
    ],
)
def optimal_discriminator(
    log_p: Float[Tensor, " N"], log_q: Float[Tensor, " N"]
) -> Float[Tensor, " N"]:
    """Best probability D*(x) at N points, from the log densities of real and generated data.

    ``log_p`` is that of the real data. The result must be right where both densities are so small
    that their exponentials are 0.
    """
    return torch.sigmoid(log_p - log_q)


def _logit_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for scale in (0.0, 1.0, 4.0, 200.0):
        yield (
            scale * (torch.randn(20, generator=rng) + 1),
            scale * (torch.randn(30, generator=rng) - 1),
        )


@exercise(
    "divergence-bound",
    page=PAGE,
    level="core",
    cases=_logit_cases,
    hint="solve V(D*) = -log 4 + 2 JSD for JSD, and put this discriminator's V in. Its terms are "
    "-softplus(-a) on real and -softplus(a) on generated samples.",
    remark="On held-out samples it is, up to chance, a lower bound for every discriminator.",
    mistakes=[
        Mistake(
            lambda a, b: math.log(4) - softplus(-a).mean() - softplus(b).mean(),
            "this is 2 JSD: divide by two.",
        ),
        Mistake(
            lambda a, b: -0.5 * (softplus(-a).mean() + softplus(b).mean()),
            "this is V / 2. A discriminator that guesses has V = -log 4, and should give 0.",
        ),
        Mistake(
            lambda a, b: (
                0.5 * (a.sigmoid().log().mean() + (1 - b.sigmoid()).log().mean()) + math.log(2)
            ),
            "right on paper, but the sigmoid of a large logit is rounded to 1, and the logarithm "
            "of what is left is minus infinity.",
        ),
        Mistake(
            lambda a, b: math.log(2) - 0.5 * torch.cat([softplus(-a), softplus(b)]).mean(),
            "V is a sum of two means, one for each kind, whatever their numbers.",
        ),
    ],
)
def divergence_bound(
    logits_real: Float[Tensor, " B"], logits_fake: Float[Tensor, " M"]
) -> Float[Tensor, ""]:
    """Lower bound on the Jensen-Shannon divergence, in nats, from a discriminator's logits.

    ``logits_real`` (B,) are those of real samples, ``logits_fake`` (M,) those of generated ones. It
    must stay finite for logits of any size.
    """
    return math.log(2) - 0.5 * (softplus(-logits_real).mean() + softplus(logits_fake).mean())


def _sample_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for n, shift in ((4, 0.0), (50, 0.0), (50, 3.0)):
        x, y = torch.randn(2, n, generator=rng)
        yield x, 0.3 * y + shift


@exercise(
    "wasserstein-line",
    page=PAGE,
    level="core",
    cases=_sample_cases,
    hint="the cheapest plan on a line moves the smallest to the smallest, and so on.",
    remark="In many dimensions there is no order, which is what the critic is for.",
    mistakes=[
        Mistake(
            lambda x, y: (x - y).abs().mean(),
            "you moved each sample to the one that happens to have its number. Another plan is "
            "cheaper.",
        ),
        Mistake(
            lambda x, y: (x.mean() - y.mean()).abs(),
            "two distributions with the same mean would have the distance 0, however different.",
        ),
        Mistake(
            lambda x, y: (x.sort().values - y.sort().values).square().mean().sqrt(),
            "this is the distance with squared costs, called W2.",
        ),
        Mistake(
            lambda x, y: (x[:, None] - y).abs().mean(),
            "this spreads every sample over all others, the plan of someone who does not look.",
        ),
        Mistake(
            lambda x, y: (x[:, None] - y).abs().amin(dim=1).mean(),
            "several samples went to the same place. Each place takes one.",
        ),
    ],
)
def wasserstein_line(x: Float[Tensor, " N"], y: Float[Tensor, " N"]) -> Float[Tensor, ""]:
    """Exact Wasserstein-1 distance between two samples of N numbers each."""
    return (x.sort().values - y.sort().values).abs().mean()


def _dirac_cases(rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    for _ in range(4):
        theta, psi, gamma, step = torch.rand(4, generator=rng).tolist()
        yield 4 * theta - 2, 4 * psi - 2, gamma, step


def _sigmoid(a: float) -> float:
    return 1 / (1 + math.exp(-a))


@exercise(
    "dirac-step",
    page=PAGE,
    level="core",
    cases=_dirac_cases,
    hint="L_D = softplus(psi theta) + gamma / 2 psi^2, without a constant, and L_G = "
    "-softplus(psi theta). The derivative of softplus is the sigmoid.",
    remark="Two lines, and all of GAN training's trouble: take gamma = 0 and iterate.",
    mistakes=[
        Mistake(
            lambda theta, psi, gamma, step: (
                theta + step * psi * _sigmoid(psi * theta),
                psi - step * (theta * _sigmoid(psi * theta) + gamma * psi),
            ),
            "both moved at once. The generator shall answer the discriminator's new psi.",
        ),
        Mistake(
            lambda theta, psi, gamma, step: (
                theta
                + step
                * (new := psi - step * (theta * _sigmoid(psi * theta) + 0.5 * gamma * psi))
                * _sigmoid(new * theta),
                new,
            ),
            "the derivative of gamma / 2 psi^2 is gamma psi.",
        ),
        Mistake(
            lambda theta, psi, gamma, step: (
                (new := theta + step * psi * _sigmoid(psi * theta)),
                psi - step * (new * _sigmoid(psi * new) + gamma * psi),
            ),
            "the generator moved first.",
        ),
        Mistake(
            lambda theta, psi, gamma, step: (
                theta
                - step
                * (new := psi - step * (theta * _sigmoid(psi * theta) + gamma * psi))
                * _sigmoid(new * theta),
                new,
            ),
            "the generator wants its logit to rise: look at the sign of its step.",
        ),
    ],
)
def dirac_step(theta: float, psi: float, gamma: float, step_size: float) -> tuple[float, float]:
    """One step of the Dirac GAN with the minimax losses and R1, in turns; return (theta, psi).

    The logit is ``psi * x``, real data lie at 0, generated data at ``theta``. First the
    discriminator takes a gradient step on psi, then the generator one on theta.
    """
    psi = psi - step_size * (theta * _sigmoid(psi * theta) + gamma * psi)
    theta = theta + step_size * psi * _sigmoid(psi * theta)
    return theta, psi


def _gamma_cases(_rng: torch.Generator) -> Iterator[tuple[Any, ...]]:
    yield from ((gamma,) for gamma in (0.05, 0.5, 1.0, 1.5, 6.0))


@exercise(
    "largest-step",
    page=PAGE,
    level="research",
    cases=_gamma_cases,
    hint="a step multiplies a deviation by 1 + h lambda for each eigenvalue lambda of the "
    "Jacobian. When is its modulus below 1? Treat complex and real eigenvalues apart.",
    remark="It is largest at gamma = 1, where both eigenvalues are -1/2. Too strong a penalty "
    "asks for small steps, as too weak a one does.",
    mistakes=[
        Mistake(
            lambda gamma: 4 * gamma,
            "right up to gamma = 1. Beyond it the eigenvalues are real, and the faster one must "
            "not overshoot.",
        ),
        Mistake(
            lambda gamma: 4 / (gamma + math.sqrt(abs(gamma * gamma - 1))),
            "right from gamma = 1 on. Below it the eigenvalues are complex: use the square of "
            "the modulus.",
        ),
        Mistake(
            lambda gamma: 2 / gamma,
            "this treats psi alone. Theta and psi are coupled: take the eigenvalues.",
        ),
    ],
)
def largest_step(gamma: float) -> float:
    """Step size below which the Dirac GAN with R1 settles when both players move at once.

    Near the equilibrium the Jacobian is [[0, 1/2], [-1/2, -gamma]], with gamma > 0. Return the
    supremum of the step sizes for which gradient descent converges to the equilibrium from nearby.
    """
    if gamma <= 1:
        return 4 * gamma
    return 4 / (gamma + math.sqrt(gamma * gamma - 1))
