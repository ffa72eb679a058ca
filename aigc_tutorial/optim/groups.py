"""Which optimizer moves which parameter: matrices of the hidden layers apart from all others."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from aigc_tutorial.optim.settings import check_at_least

_LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.RNNBase,
    nn.RNNCellBase,
    nn.MultiheadAttention,
)


@runtime_checkable
class HasSymbolLayers(Protocol):
    """A model that says which of its layers have weights of single symbols."""

    def symbol_layers(self) -> Iterable[nn.Module]:
        """Layers, besides embeddings, that have a row or a column for each token or grey level."""


def split_parameters(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Divide a model's parameters into hidden matrices and all others.

    A hidden matrix takes activations to activations: a weight of a linear, convolutional or
    recurrent layer or cell of torch's, or of its attention. A layer that has the vocabulary on one
    side is none, since its rows belong to single tokens: an embedding or the head, which Muon must
    not touch and which weight decay would pull towards zero between two appearances of a token.
    Embeddings are known by their class, heads by what the model declares
    (:class:`HasSymbolLayers`); a matrix that a hidden layer shares with one of them belongs to
    them. All else is among the others: vectors, transposed convolutions,
    whose first axis does not count outputs, and whatever modules of other classes hold themselves,
    such as a table of positions, since nothing tells what it is.

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
    other one, which is what an optimizer moves. A weight that is computed from several, as weight
    normalisation does from lengths and directions, has no such one and is left out.

    Args:
        model: is searched through.
        *kinds: for example :class:`torch.nn.Conv2d`.
    """
    weights: dict[int, Tensor] = {}
    for module in model.modules():
        if isinstance(module, kinds):
            own = dict(module.named_parameters(recurse=False))
            if parametrize.is_parametrized(module):
                for name, parts in module.parametrizations.items():  # type: ignore
                    if hasattr(parts, "original"):
                        own[name] = parts.original
            weights |= {
                id(weight): weight
                for name, weight in own.items()
                # Attention keeps biases with three axes; weight_g and weight_v are the parts
                # into which torch's older weight normalisation cuts a weight.
                if weight.ndim >= 2 and "bias" not in name and not name.endswith(("_g", "_v"))
            }
    return list(weights.values())


class JointOptimizer(torch.optim.Optimizer):
    """Several optimizers, each with parameters of its own, that step as one.

    The rates that the optimizers were built with are the top of the schedule;
    :meth:`scale_learning_rates` sets all of them at once. ``param_groups`` are the groups of the
    optimizers themselves, so that torch's schedulers may set the rates instead.
    """

    def __init__(self, *optimizers: torch.optim.Optimizer, max_norm: float | None = None) -> None:
        """Join ``optimizers``.

        Args:
            *optimizers: no parameter may belong to two of them.
            max_norm: scale the gradient of all parameters together down to this length where it is
                longer (Pascanu et al., 2013, arXiv 1211.5063).

        Raises:
            ValueError: if there is no optimizer, if two share a parameter, or if ``max_norm`` is
                not above 0.
        """
        if not optimizers:
            raise ValueError("there is nothing to join: give one optimizer or more")
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"max_norm must be above 0, or None for no clipping, got {max_norm}")
        super().__init__(_groups(optimizers), {})
        self.optimizers = optimizers
        self.max_norm = max_norm
        self._top_rates = [[g["lr"] for g in o.param_groups] for o in optimizers]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse further parameters, which would have no optimizer.

        Raises:
            RuntimeError: always, once the optimizers are joined.
        """
        if hasattr(self, "optimizers"):
            raise RuntimeError(
                "a JointOptimizer moves the parameters of its optimizers alone: add the group to "
                "one of them, then join them"
            )
        super().add_param_group(param_group)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy needs; torch would keep the groups alone."""
        own = ("optimizers", "max_norm", "_top_rates")
        return super().__getstate__() | {name: getattr(self, name) for name in own}

    def scale_learning_rates(self, factor: float) -> None:
        """Set every learning rate to ``factor`` times its top.

        Raises:
            ValueError: if ``factor`` is negative or no finite number.
        """
        check_at_least("factor", factor, 0)
        for optimizer, rates in zip(self.optimizers, self._top_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = factor * rate

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Clip the gradients, then let each optimizer take its step.

        Raises:
            ValueError: if a closure is given: the gradient is taken once, from ``parameter.grad``.
            RuntimeError: if an optimizer was given further parameters after it was joined.
        """
        if closure is not None:
            raise ValueError("this optimizer takes no closure: call backward() before step()")
        if len(self.param_groups) != sum(len(o.param_groups) for o in self.optimizers):
            raise RuntimeError(
                "an optimizer was given further parameters after it was joined, whose gradients "
                "would never be zeroed: join the optimizers anew"
            )
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
        self.param_groups = _groups(self.optimizers)  # each of them has made new ones


def _groups(optimizers: Iterable[torch.optim.Optimizer]) -> list[dict[str, Any]]:
    return [group for optimizer in optimizers for group in optimizer.param_groups]
