"""Which optimizer moves which parameter: matrices of the hidden layers apart from all others."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)


@runtime_checkable
class HasSymbolLayers(Protocol):
    """A model that says which of its layers have weights of single symbols."""

    def symbol_layers(self) -> Iterable[nn.Module]:
        """Layers, besides embeddings, that have a row or a column for each token or grey level."""


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Divide a model's parameters into hidden matrices and all others.

    A hidden matrix takes activations to activations: a weight of a linear, convolutional or
    recurrent layer. A layer that has the vocabulary on one side is none, since its rows belong to
    single tokens: an embedding or the head, which Muon must not touch and which weight decay would
    pull towards zero between two appearances of a token. Embeddings are known by their class, heads
    by what the model declares (:class:`HasSymbolLayers`); a matrix that a hidden layer shares with
    one of them belongs to them. Vectors are no matrices either.

    Args:
        model: any model. Without ``symbol_layers`` it has none: all its layers are hidden.

    Returns:
        The hidden matrices, and everything else; no parameter is in both or missing.

    Raises:
        RuntimeError: if a layer that the model declares is no part of it.
    """
    layers = list(model.symbol_layers()) if isinstance(model, HasSymbolLayers) else []
    if not {*layers} <= {*model.modules()}:
        raise RuntimeError(
            f"{type(model).__name__}.symbol_layers() names a layer that is not in the model; "
            "expected some of its modules"
        )
    layers += [module for module in model.modules() if isinstance(module, nn.Embedding)]
    of_symbols = {id(p) for layer in layers for p in layer.parameters()}
    matrices = [p for p in layer_weights(model, *_LAYERS) if id(p) not in of_symbols]
    hidden = {id(matrix) for matrix in matrices}
    others: list[Tensor] = [p for p in model.parameters() if id(p) not in hidden]
    n_parameters = len(list(model.parameters()))
    if len(matrices) + len(others) != n_parameters:
        raise RuntimeError(
            f"{n_parameters} parameters of {type(model).__name__} were divided into "
            f"{len(matrices)} hidden matrices and {len(others)} others; some are lost or double"
        )
    return matrices, others


def layer_weights(model: nn.Module, *kinds: type[nn.Module]) -> list[Tensor]:
    """Weights with two axes or more of all layers of the given kinds, each once.

    Of a layer whose weight is computed from another, as spectral normalisation does, it is that
    other one, which is what an optimizer moves.

    Args:
        model: is searched through.
        *kinds: for example :class:`torch.nn.Conv2d`.
    """
    weights: dict[int, Tensor] = {}
    for module in model.modules():
        if isinstance(module, kinds):
            own = list(module.parameters(recurse=False))
            if parametrize.is_parametrized(module):
                own += [p.original for p in module.parametrizations.values()]  # type: ignore
            weights |= {id(weight): weight for weight in own if weight.ndim >= 2}
    return list(weights.values())


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
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Clip the gradients, then let each optimizer take its step.

        Raises:
            ValueError: if a closure is given: the gradient is taken once, from ``parameter.grad``.
        """
        if closure is not None:
            raise ValueError("this optimizer takes no closure: call backward() before step()")
        if self.max_norm is not None:
            parameters = [p for group in self.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(parameters, self.max_norm)
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """States of all optimizers."""
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned.

        Torch's fused Adam walks a parameter and its averages in the order in which they lie in
        memory, and pairs the wrong numbers where these orders differ, without a word. A file knows
        no orders, so each average gets that of its parameter back.
        """
        for optimizer, part in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(part)
            for parameter, values in optimizer.state.items():
                for name, value in values.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
