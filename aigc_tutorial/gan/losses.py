r"""Adversarial losses as pure functions of logits.

Throughout, ``logits_real`` is :math:`a(x)` for real data and ``logits_fake`` is :math:`a(G(z))`,
with :math:`D = \sigma(a)`. Logarithms of probabilities are written with
``softplus(a) = log(1 + exp(a))``, for which

.. math:: -\log \sigma(a) = \mathrm{softplus}(-a), \qquad
          -\log(1 - \sigma(a)) = \mathrm{softplus}(a),

because this is exact for every finite logit; ``log(sigmoid(a) + eps)`` is not. Every loss is to be
minimised by the network it is named after.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import relu, softplus

Logits = Float[Tensor, " B"]
Scalar = Float[Tensor, ""]


def minimax_discriminator_loss(logits_real: Logits, logits_fake: Logits) -> Scalar:
    r"""Cross-entropy of the discriminator (Goodfellow et al., 2014, equation 1, sign turned).

    .. math:: L_D = -\mathbb{E}_x[\log D(x)] - \mathbb{E}_z[\log(1 - D(G(z)))]
    """
    return softplus(-logits_real).mean() + softplus(logits_fake).mean()


def saturating_generator_loss(logits_fake: Logits) -> Scalar:
    r"""The generator's half of the zero-sum game (Goodfellow et al., 2014, equation 1).

    .. math:: L_G = \mathbb{E}_z[\log(1 - D(G(z)))]

    Its derivative by the logit is :math:`-\sigma(a)`: it vanishes where the discriminator is sure
    that a sample is generated, which is where the generator has most to learn.
    """
    return -softplus(logits_fake).mean()


def non_saturating_generator_loss(logits_fake: Logits) -> Scalar:
    r"""The generator's loss that is used in practice (Goodfellow et al., 2014, section 3).

    .. math:: L_G = -\mathbb{E}_z[\log D(G(z))]

    Its derivative by the logit is :math:`-(1 - \sigma(a))`, largest where the other one vanishes.
    """
    return softplus(-logits_fake).mean()


def least_squares_discriminator_loss(logits_real: Logits, logits_fake: Logits) -> Scalar:
    r"""Least squares with targets 1 and 0 (Mao et al., 2017, arXiv 1611.04076, equation 9).

    .. math:: L_D = \tfrac12 \mathbb{E}_x[(a(x) - 1)^2] + \tfrac12 \mathbb{E}_z[a(G(z))^2]
    """
    return 0.5 * (logits_real - 1).square().mean() + 0.5 * logits_fake.square().mean()


def least_squares_generator_loss(logits_fake: Logits) -> Scalar:
    r"""Least squares with target 1 (Mao et al., 2017, arXiv 1611.04076, equation 9).

    .. math:: L_G = \tfrac12 \mathbb{E}_z[(a(G(z)) - 1)^2]
    """
    return 0.5 * (logits_fake - 1).square().mean()


def hinge_discriminator_loss(logits_real: Logits, logits_fake: Logits) -> Scalar:
    r"""Hinge loss: no reward for scores beyond ±1 (Lim & Ye, 2017, arXiv 1705.02894).

    .. math:: L_D = \mathbb{E}_x[\max(0, 1 - a(x))] + \mathbb{E}_z[\max(0, 1 + a(G(z)))]
    """
    return relu(1 - logits_real).mean() + relu(1 + logits_fake).mean()


def hinge_generator_loss(logits_fake: Logits) -> Scalar:
    r"""The generator's side of the hinge loss, the same as Wasserstein's.

    .. math:: L_G = -\mathbb{E}_z[a(G(z))]
    """
    return -logits_fake.mean()


def wasserstein_critic_loss(logits_real: Logits, logits_fake: Logits) -> Scalar:
    r"""Minus the critic's estimate of the Wasserstein-1 distance (Arjovsky et al., 2017).

    .. math:: L_D = \mathbb{E}_z[a(G(z))] - \mathbb{E}_x[a(x)]

    It estimates a distance only if the critic is 1-Lipschitz: see
    :func:`aigc_tutorial.gan.penalties.gradient_penalty`. A sigmoid has no place here.
    """
    return logits_fake.mean() - logits_real.mean()


def wasserstein_generator_loss(logits_fake: Logits) -> Scalar:
    r"""Pull the critic's score of generated samples up (Arjovsky et al., 2017).

    .. math:: L_G = -\mathbb{E}_z[a(G(z))]
    """
    return -logits_fake.mean()


def relativistic_discriminator_loss(logits_real: Logits, logits_fake: Logits) -> Scalar:
    r"""Real samples must score above generated ones, pair by pair.

    .. math:: L_D = -\mathbb{E}_{x,z}[\log \sigma(a(x) - a(G(z)))]

    (Jolicoeur-Martineau, 2019, arXiv 1807.00734; with R1 and R2 the loss of R3GAN, Huang et al.,
    2024, arXiv 2501.05441.)

    Raises:
        ValueError: if there are not as many logits of the one kind as of the other.
    """
    _check_pairs(logits_real, logits_fake)
    return softplus(logits_fake - logits_real).mean()


def relativistic_generator_loss(logits_real: Logits, logits_fake: Logits) -> Scalar:
    r"""Generated samples must score above real ones, pair by pair.

    .. math:: L_G = -\mathbb{E}_{x,z}[\log \sigma(a(G(z)) - a(x))]

    Raises:
        ValueError: if there are not as many logits of the one kind as of the other.
    """
    _check_pairs(logits_real, logits_fake)
    return softplus(logits_real - logits_fake).mean()


def _check_pairs(logits_real: Logits, logits_fake: Logits) -> None:
    # Subtraction would broadcast (B,) against (B, 1) to all B² pairs without a word.
    if logits_real.shape != logits_fake.shape:
        raise ValueError(
            "real and generated samples are compared pair by pair and need logits of one shape, "
            f"got {tuple(logits_real.shape)} and {tuple(logits_fake.shape)}; a discriminator "
            "returns shape (B,)"
        )


def checked_loss(loss: Any, player: str) -> Scalar:
    """What a loss of one's own returned, if a network can learn from it.

    Args:
        loss: the value.
        player: whose loss it is.

    Raises:
        TypeError: if it is no tensor.
        ValueError: if it is not one number, or has no gradient.
    """
    name = f"the loss of the {player}"
    if not isinstance(loss, Tensor):
        raise TypeError(f"{name} must return a tensor with one number, got {type(loss).__name__}")
    if loss.numel() != 1:
        raise ValueError(
            f"{name} must return one number for the batch, got {tuple(loss.shape)} of them; return "
            "their mean: losses.mean()"
        )
    if not loss.requires_grad:
        raise ValueError(
            f"{name} has no gradient, and nothing would be learned from it; compute it from the "
            "logits that it is given, without detach(), item() or float()"
        )
    return loss


@dataclass(frozen=True)
class AdversarialLoss:
    """The two losses of one game.

    Attributes:
        name: as in the literature; recorded in checkpoints and cards.
        discriminator: function of (logits_real, logits_fake).
        generator: function of (logits_fake), or of (logits_real, logits_fake) if relativistic.
        relativistic: whether the generator's loss looks at real samples too.
    """

    name: str
    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[..., Tensor]
    relativistic: bool = False


MINIMAX = AdversarialLoss("minimax", minimax_discriminator_loss, saturating_generator_loss)
"""A game for one value. While the samples are told apart, the generator's gradient vanishes."""

NON_SATURATING = AdversarialLoss(
    "non-saturating", minimax_discriminator_loss, non_saturating_generator_loss
)
"""The discriminator's loss of :data:`MINIMAX`; the generator raises log D(G(z)) instead."""

LEAST_SQUARES = AdversarialLoss(
    "least squares", least_squares_discriminator_loss, least_squares_generator_loss
)
"""Squared distances of the scores from what they should be."""

HINGE = AdversarialLoss("hinge", hinge_discriminator_loss, hinge_generator_loss)
"""The discriminator learns from the scores that are not beyond its margin."""

WASSERSTEIN = AdversarialLoss("Wasserstein", wasserstein_critic_loss, wasserstein_generator_loss)
"""Mean scores; the critic's slope has to be held from outside, by a penalty for example."""

RELATIVISTIC = AdversarialLoss(
    "relativistic pairing",
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    relativistic=True,
)
"""Each real sample is scored against a generated one: the loss is of their difference."""
