"""Devices, precision and several processes, so that a training step need not know of them."""

from itertools import chain
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from aigc_tutorial.cpu import tune_cpu

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Engine:
    """Runs the same training step on a CPU, on one GPU, or in many processes.

    The hardware is Accelerate's business: ``accelerate launch script.py`` starts one process a
    device, and each of them makes an engine. Models are not wrapped. An optimizer step averages
    the gradients over all processes first, which also serves where a wrapper would not: a gradient
    penalty differentiates twice, and a GAN freezes one network while it updates the other.

    Attributes:
        device: where tensors of this process live.
        is_main: whether this process writes files and prints.
    """

    def __init__(self, *, device: str | None = None, mixed_precision: str = "no") -> None:
        """Set up the process.

        Args:
            device: "cpu" to stay off the GPU; by default the GPU where there is one.
            mixed_precision: "no", "bf16" or "fp16".
        """
        if device not in (None, "cpu"):
            raise ValueError(
                f'device must be None or "cpu", got {device!r}; choose a GPU with '
                "CUDA_VISIBLE_DEVICES"
            )
        from accelerate import Accelerator  # takes a second to import

        tune_cpu()
        self._accelerator: Any = Accelerator(cpu=device == "cpu", mixed_precision=mixed_precision)
        self.device: torch.device = self._accelerator.device
        self.is_main: bool = self._accelerator.is_main_process
        self.rank: int = self._accelerator.process_index
        self.n_processes: int = self._accelerator.num_processes

    def autocast(self) -> Any:
        """Context in which the forward pass runs in the chosen precision."""
        return self._accelerator.autocast()

    def minimise(self, loss: Tensor, *optimizers: torch.optim.Optimizer) -> None:
        """Zero the gradients, differentiate ``loss``, average over processes, take one step.

        Several optimizers each move parameters of their own.
        """
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        self._accelerator.backward(loss)
        if self.n_processes > 1:
            for group in chain.from_iterable(o.param_groups for o in optimizers):
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.grad = self._accelerator.reduce(parameter.grad, "mean")
        for optimizer in optimizers:
            optimizer.step()
