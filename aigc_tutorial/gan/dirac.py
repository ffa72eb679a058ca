r"""The smallest GAN: one number against one number (Mescheder et al., 2018, arXiv 1801.04406).

All real data lie at 0, all generated data at :math:`\theta`, and the discriminator's logit is
:math:`a(x) = \psi x`. With both numbers at 0 the generator is perfect and the discriminator
indifferent; whether training gets there can be read off a two-by-two matrix.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.functional import hessian

from aigc_tutorial.gan.losses import NON_SATURATING, AdversarialLoss
from aigc_tutorial.nn import gradients_on


@dataclass(frozen=True)
class DiracGAN:
    r"""Two losses of two numbers, and what gradient descent makes of them.

    .. math:: L_D = \ell_D(0, \psi\theta) + \tfrac{\gamma}{2} \psi^2
                    + \lambda (\lvert\psi\rvert - 1)^2, \qquad L_G = \ell_G(\psi\theta)

    The logit's slope is :math:`\psi` everywhere, so R1 is :math:`\psi^2` and the penalty of WGAN-GP
    is :math:`(\lvert\psi\rvert - 1)^2`. A state is a pair :math:`(\theta, \psi)`.

    Attributes:
        loss: the game; the generator's loss looks at its own logit alone.
        r1_gamma: weight gamma of R1, which enters as gamma / 2.
        gradient_penalty: weight lambda of the WGAN-GP penalty.
    """

    loss: AdversarialLoss = NON_SATURATING
    r1_gamma: float = 0.0
    gradient_penalty: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a game that the formulas do not describe.

        Raises:
            ValueError: if the generator's loss is relativistic, or a weight is below 0 or not
                finite.
        """
        for name in ("r1_gamma", "gradient_penalty"):
            if not 0 <= (weight := getattr(self, name)) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {weight}")
        if self.loss.relativistic:
            raise ValueError(
                f"the loss {self.loss.name!r} pairs generated with real samples; the Dirac GAN "
                "takes one whose generator sees its own logit alone"
            )

    def loss_discriminator(self, state: Float[Tensor, "2"]) -> Float[Tensor, ""]:
        """L_D at one state, penalties included."""
        theta, psi = state
        logit_fake = (psi * theta)[None]
        loss = self.loss.discriminator(torch.zeros_like(logit_fake), logit_fake)
        gradient_penalty = (psi.abs() - 1).square()
        return loss + 0.5 * self.r1_gamma * psi.square() + self.gradient_penalty * gradient_penalty

    def loss_generator(self, state: Float[Tensor, "2"]) -> Float[Tensor, ""]:
        """L_G at one state."""
        theta, psi = state
        return self.loss.generator((psi * theta)[None])

    @gradients_on()
    def field(self, states: Float[Tensor, "N 2"]) -> Float[Tensor, "N 2"]:
        """Where each player wants to go from each state.

        It is the pair of minus the derivative of L_G by theta, and minus that of L_D by psi.
        """
        theta, psi = states.unbind(1)
        logits = (theta * psi).detach().requires_grad_(True)
        # The losses are means over a batch: times its size, each logit has its own derivative.
        loss_discriminator = len(states) * self.loss.discriminator(torch.zeros_like(logits), logits)
        loss_generator = len(states) * self.loss.generator(logits)
        (slope_discriminator,) = torch.autograd.grad(loss_discriminator, logits)
        (slope_generator,) = torch.autograd.grad(loss_generator, logits)
        pull = self.r1_gamma * psi + 2 * self.gradient_penalty * (psi - psi.sign())
        return -torch.stack([slope_generator * psi, slope_discriminator * theta + pull], dim=1)

    def jacobian(self) -> Float[Tensor, "2 2"]:
        r"""Derivative of the field at the equilibrium (0, 0), in double precision.

        Raises:
            ValueError: if there is a penalty of WGAN-GP: :math:`(\lvert\psi\rvert - 1)^2` has a
                kink at 0, where the field jumps and has no derivative.
        """
        if self.gradient_penalty:
            raise ValueError(
                f"gradient_penalty is {self.gradient_penalty}, and its field jumps at the "
                "equilibrium: it has no derivative there. Look at an orbit instead"
            )
        origin = torch.zeros(2, dtype=torch.float64, device="cpu")
        row_generator = hessian(self.loss_generator, origin)[0]
        row_discriminator = hessian(self.loss_discriminator, origin)[1]
        return -torch.stack([row_generator, row_discriminator])

    def orbit(
        self,
        start: tuple[float, float],
        *,
        step_size: float,
        n_steps: int,
        alternating: bool = False,
    ) -> Float[Tensor, "n_steps_and_one 2"]:
        """Gradient descent of both players from ``start``.

        Args:
            start: theta and psi.
            step_size: learning rate of both.
            n_steps: steps of each.
            alternating: let the discriminator move first and the generator answer its new psi, as
                :class:`~aigc_tutorial.gan.GANTrainer` does; otherwise both move at once.

        Returns:
            The states, the first of them ``start``, in double precision.
        """
        if not 0 < step_size < math.inf or n_steps < 1:
            raise ValueError(
                f"need a positive step size and at least one step, got {step_size} and {n_steps}"
            )
        states = [torch.tensor(start, dtype=torch.float64, device="cpu")]
        only_psi = states[0].new_tensor([0.0, 1.0])
        for _ in range(n_steps):
            state = states[-1]
            step = step_size * self.field(state[None])[0]
            if alternating:
                moved = state + only_psi * step
                step = only_psi * step + (1 - only_psi) * step_size * self.field(moved[None])[0]
            states.append(state + step)
        return torch.stack(states)
