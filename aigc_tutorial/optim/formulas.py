r"""Optimizers written out from their formulas, and one that is made for games.

Each is equal, step by step, to the one of the same name in :mod:`torch.optim`, which is faster and
is what the rest of the package trains with. Here the formula can be read. In all of them
:math:`\theta` is a parameter, :math:`g` its gradient, :math:`\eta` the learning rate, and squares,
roots and quotients of tensors are taken entry by entry.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from aigc_tutorial.optim.settings import check_at_least, check_rate, check_share


class FormulaOptimizer(Optimizer):
    """What the optimizers of this module share: a step asks :meth:`update` for each parameter."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take parameters, whose settings are those of the constructor unless given.

        Raises:
            ValueError: if a setting is out of its range.
        """
        settings = self.defaults | param_group
        check_rate(settings["lr"])
        for name in {"momentum", "alpha"} & set(settings):
            check_share(name, settings[name])
        betas = settings.get("betas", (0, 0))
        if len(betas) != 2:
            raise ValueError(f"betas must be two numbers, beta_1 and beta_2, got {betas}")
        for i, beta in enumerate(betas):
            check_share(f"betas[{i}]", beta)
        check_at_least("eps", settings.get("eps", 0), 0)
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient.

        Raises:
            ValueError: if a closure is given; these optimizers need the gradient once, and take it
                from ``parameter.grad``.
        """
        if closure is not None:
            raise ValueError("this optimizer takes no closure: call backward() before step()")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, self.state[parameter], group)

    def update(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Move one parameter in place.

        Args:
            parameter: of any shape.
            gradient: of the same shape.
            state: what the optimizer remembers of this parameter, empty at first.
            group: the settings.
        """
        raise NotImplementedError


class SGD(FormulaOptimizer):
    r"""Gradient descent, with momentum if :math:`\mu > 0`.

    .. math:: m \leftarrow \mu m + g, \qquad \theta \leftarrow \theta - \eta\, m

    Without momentum :math:`m = g`: a step straight down. With it the steps add up as the speed of a
    heavy ball does, to :math:`1 / (1 - \mu)` times their size where the slope stays the same.

    Sources: Robbins & Monro (1951); Polyak (1964).
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.0) -> None:
        """Take parameters.

        Args:
            parameters: tensors to move.
            lr: the learning rate, above 0.
            momentum: the share of the speed that a step keeps, from 0 up to but without 1.
        """
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    def update(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Move one parameter in place; the class states the formula."""
        speed = group["momentum"] * state.get("speed", 0) + gradient
        state["speed"] = speed
        parameter -= group["lr"] * speed


class RMSprop(FormulaOptimizer):
    r"""Divide each entry of the gradient by its own usual size.

    .. math:: v \leftarrow \alpha v + (1 - \alpha)\, g^2, \qquad
              \theta \leftarrow \theta - \eta\, \frac{g}{\sqrt{v} + \varepsilon}

    An entry whose gradients are always small moves as far as one whose gradients are large.

    Source: Tieleman & Hinton (2012), Lecture 6.5, Neural networks for machine learning.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 0.01, alpha: float = 0.99, eps: float = 1e-8
    ) -> None:
        """Take parameters.

        Args:
            parameters: tensors to move.
            lr: the learning rate, above 0.
            alpha: the share of the old average that a step keeps.
            eps: added to the root, so that an entry without gradients divides by no zero.
        """
        super().__init__(parameters, {"lr": lr, "alpha": alpha, "eps": eps})

    def update(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Move one parameter in place; the class states the formula."""
        alpha = group["alpha"]
        mean_square = alpha * state.get("mean_square", 0) + (1 - alpha) * gradient.square()
        state["mean_square"] = mean_square
        parameter -= group["lr"] * gradient / (mean_square.sqrt() + group["eps"])


class Adam(FormulaOptimizer):
    r"""Momentum over RMSprop, both averages freed from the zeros with which they begin.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1)\, g \\
        v &\leftarrow \beta_2 v + (1 - \beta_2)\, g^2 \\
        \theta &\leftarrow \theta - \eta\,
            \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \varepsilon}

    After t steps the weights in the average m sum to :math:`1 - \beta_1^t`, and it is divided by
    that. So the first step has the length :math:`\eta` in every entry, whatever the gradient.

    Source: Kingma & Ba (2015), algorithm 1.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        r"""Take parameters.

        Args:
            parameters: tensors to move.
            lr: the learning rate, above 0.
            betas: :math:`\beta_1` and :math:`\beta_2`, the shares of the old averages that a step
                keeps.
            eps: added to the root, so that an entry without gradients divides by no zero.
        """
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    def update(
        self, parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Move one parameter in place; the class states the formula."""
        beta1, beta2 = group["betas"]
        n_steps = state.get("n_steps", 0) + 1
        mean = beta1 * state.get("mean", 0) + (1 - beta1) * gradient
        mean_square = beta2 * state.get("mean_square", 0) + (1 - beta2) * gradient.square()
        state.update(n_steps=n_steps, mean=mean, mean_square=mean_square)
        root = (mean_square / (1 - beta2**n_steps)).sqrt()
        parameter -= group["lr"] * (mean / (1 - beta1**n_steps)) / (root + group["eps"])


class Extragradient(Optimizer):
    r"""Look one step ahead, and step from here along the gradient that was found there.

    .. math:: \tilde\theta = \theta - \eta\, g(\theta), \qquad
              \theta \leftarrow \theta - \eta\, g(\tilde\theta)

    In a game :math:`g` collects the gradient of each player's own loss with respect to its own
    parameters, and need not be the gradient of any one function. Around an equilibrium it can turn
    like the water around a drain. Plain steps then lead outwards; the gradient one step ahead has
    turned a little further, and that turn points inwards.

    Sources: Korpelevich (1976); for GANs, Gidel et al. (2019), arXiv 1802.10551.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        """Take parameters.

        Args:
            parameters: tensors to move, those of all players.
            lr: the learning rate, above 0, the same for all.
        """
        super().__init__(parameters, {"lr": lr})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take parameters of a further player.

        Raises:
            ValueError: if the learning rate is out of its range.
        """
        check_rate((self.defaults | param_group)["lr"])
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any]) -> None:  # type: ignore[override]
        """Make one step.

        Args:
            closure: leaves each parameter's gradient in ``parameter.grad``. It is called twice, at
                the present point and one step ahead, and must make the gradients anew each time.
        """
        here = [[p.detach().clone() for p in group["params"]] for group in self.param_groups]
        for _ in ("ahead", "for good"):
            with torch.enable_grad():
                closure()
            with torch.no_grad():
                for group, starts in zip(self.param_groups, here, strict=True):
                    for parameter, start in zip(group["params"], starts, strict=True):
                        if parameter.grad is not None:
                            parameter.copy_(start - group["lr"] * parameter.grad)
