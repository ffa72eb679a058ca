"""Which optimizer moves which parameter: matrices of the hidden layers apart from all others."""

from typing import Any

import torch
from torch import Tensor, nn

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.RNNBase)


def split_parameters(
    model: nn.Module, vocab_size: int | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Divide a model's parameters into hidden matrices and all others.

    A hidden matrix takes activations to activations: a weight of a linear, convolutional or
    recurrent layer. A weight that has the vocabulary on one side is none, since its rows belong to
    single tokens: an embedding or the head, which Muon must not touch and which weight decay would
    pull towards zero between two appearances of a token. Vectors are no matrices either.

    Args:
        model: any model.
        vocab_size: V, by which embedding and head are known; None for a model of images.

    Returns:
        The hidden matrices, and everything else; no parameter is in both or missing.
    """
    matrices: list[Tensor] = [
        parameter
        for module in model.modules()
        if isinstance(module, _LAYERS)
        for parameter in module.parameters(recurse=False)
        if parameter.ndim >= 2 and vocab_size not in parameter.shape[:2]
    ]
    hidden = {id(matrix) for matrix in matrices}
    return matrices, [p for p in model.parameters() if id(p) not in hidden]


class JointOptimizer(torch.optim.Optimizer):
    """Several optimizers, each with parameters of its own, that step as one.

    The rates that the optimizers were built with are the top of the schedule;
    :meth:`scale_learning_rates` sets all of them at once.
    """

    def __init__(self, *optimizers: torch.optim.Optimizer, max_norm: float | None = None) -> None:
        """Join ``optimizers``.

        Args:
            *optimizers: no parameter may belong to two of them.
            max_norm: scale the gradient of all parameters together down to this length where it is
                longer (Pascanu et al., 2013, arXiv 1211.5063).
        """
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        super().__init__([{"params": group["params"]} for group in groups], {})
        self.optimizers = optimizers
        self.max_norm = max_norm
        self._top_rates = [[g["lr"] for g in o.param_groups] for o in optimizers]

    def scale_learning_rates(self, factor: float) -> None:
        """Set every learning rate to ``factor`` times its top."""
        for optimizer, rates in zip(self.optimizers, self._top_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = factor * rate

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Clip the gradients, then let each optimizer take its step."""
        if self.max_norm is not None:
            parameters = [p for group in self.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.max_norm)
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """States of all optimizers."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for optimizer, part in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(part)
