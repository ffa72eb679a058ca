"""An engine that stops as a user's Ctrl-C would."""

import torch

from aigc_tutorial.training import Engine


class InterruptedEngine(Engine):
    """Interrupts the run after a number of optimizer steps."""

    def __init__(self, n_updates: int, **options: str) -> None:
        super().__init__(device="cpu", **options)
        self.n_left = n_updates

    def minimise(self, loss: torch.Tensor, *optimizers: torch.optim.Optimizer) -> None:
        """Take a step, or raise KeyboardInterrupt if none is left."""
        if self.n_left == 0:
            raise KeyboardInterrupt
        self.n_left -= 1
        super().minimise(loss, *optimizers)
