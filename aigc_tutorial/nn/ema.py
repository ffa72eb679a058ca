"""Exponential moving average of a model's weights, its memory counted in data."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from aigc_tutorial.nn.precision import full_precision

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class EMA(Generic[ModuleT]):
    r"""A second copy of a model whose weights follow the first one slowly.

    After a step on :math:`n` images or tokens the average :math:`\bar\theta` moves to
    :math:`2^{-n/h}\,\bar\theta + (1 - 2^{-n/h})\,\theta`, where the half-life :math:`h` is the
    number of them after which a weight's influence has halved. Counting in data and not in steps
    keeps the meaning when the batch size changes (Karras et al., 2018, arXiv 1710.10196).

    Early weights are worth forgetting quickly, so the half-life grows with the data seen:
    ``min(half_life, ramp_up * n_seen)`` (Karras et al., 2020, arXiv 1912.04958). With
    ``ramp_up`` positive, the first update copies the model.

    Buffers, such as the running statistics of batch normalisation, are copied and not averaged.

    Weights of less precision are averaged in float32: a small share of a bfloat16 weight, which
    keeps three digits, is rounded away at every step, and the average would never move.

    Attributes:
        model: the averaged copy, in evaluation mode and without gradients; in float32 where the
            model has less precision.
        n_seen: images or tokens seen so far.
    """

    def __init__(self, model: ModuleT, *, half_life: float, ramp_up: float = 0.09) -> None:
        if not (half_life > 0 and ramp_up > 0):  # NaN is neither
            raise ValueError(
                f"half_life and ramp_up must be positive, got {half_life} and {ramp_up}; "
                "use a tiny half-life to switch averaging off"
            )
        self.half_life = half_life
        self.ramp_up = ramp_up
        self.n_seen = 0
        try:
            self.model: ModuleT = copy.deepcopy(model).eval().requires_grad_(False)
        except RuntimeError as error:
            raise ValueError(
                f"the {type(model).__name__} cannot be copied, and so not averaged ({error}); of "
                "torch.nn.utils.spectral_norm and weight_norm take those of "
                "torch.nn.utils.parametrizations, which can"
            ) from error
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            if tensor.is_floating_point():
                tensor.data = full_precision(tensor.data)

    def decay(self, n: int) -> float:
        """Weight that the old average keeps after a step on ``n`` images or tokens."""
        half_life = min(self.half_life, self.ramp_up * self.n_seen)
        return 0.5 ** (n / half_life) if half_life > 0 else 0.0

    @torch.no_grad()
    def update(self, model: nn.Module, n: int) -> None:
        """Move the average towards ``model``, just trained on ``n`` images or tokens."""
        averages: list[Tensor] = []
        weights: list[Tensor] = []
        for average, weight in zip(self.model.parameters(), model.parameters(), strict=True):
            if average.is_floating_point() or average.is_complex():
                averages.append(average)
                weights.append(weight.to(average.dtype))
            else:  # whole numbers, which nobody trains, have no mean
                average.copy_(weight)
        torch._foreach_lerp_(averages, weights, 1.0 - self.decay(n))
        averaging = dict(self.model.named_modules())
        for name, module in model.named_modules():
            if module._buffers and name in averaging:
                _copy_buffers(module, averaging[name])
        self.n_seen += n

    def state_dict(self) -> dict[str, Any]:
        """Averaged weights and data seen: all that a resumed run needs."""
        return {"model": self.model.state_dict(), "n_seen": self.n_seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.n_seen = state["n_seen"]


def _copy_buffers(source: nn.Module, target: nn.Module) -> None:
    """Give a module the buffers of another one, those too that it has made or enlarged since."""
    for name, buffer in source.named_buffers(recurse=False):
        own = target._buffers.get(name)
        if own is not None and own.shape == buffer.shape:
            own.copy_(buffer)
            continue
        copied = full_precision(buffer) if buffer.is_floating_point() else buffer
        is_saved = name not in source._non_persistent_buffers_set
        target.register_buffer(name, copied.detach().clone(), persistent=is_saved)
