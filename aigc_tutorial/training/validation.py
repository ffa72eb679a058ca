"""What a training measures on held-out data while it runs."""

import math
from collections.abc import Callable
from typing import Any, SupportsFloat

import numpy as np
from torch import Tensor

from aigc_tutorial.config import as_function
from aigc_tutorial.integers import as_count

Validation = Callable[[Any], float]
"""Takes a model and returns its loss on held-out data: lower is better."""


def places_of_validation(validation: Any, every: int | None, budget: int) -> list[int]:
    """After how much data to measure: each time so much has been seen, and at the end.

    Args:
        validation: what measures, or None.
        every: from one measurement to the next; None for the end alone.
        budget: of the training.

    Raises:
        TypeError: if the validation is no function of a model.
        ValueError: if ``every`` is not a whole number of at least 1.
    """
    every = budget if every is None else as_count(every, "validate_every")
    if validation is not None:
        as_function(validation, "validation", "takes the model and returns its held-out loss")
    return [] if validation is None else [*range(every, budget, every), budget]


def held_out_loss(validation: Validation, model: Any, when: str) -> float:
    """What the validation measures of a model.

    Args:
        validation: what measures.
        model: in evaluation mode.
        when: for the errors: ``"after 3,000 tokens"``.

    Raises:
        ValueError: if it is no number.
        FloatingPointError: if it is not finite.
    """
    measured: Any = validation(model)
    if isinstance(measured, Tensor | np.ndarray):
        if math.prod(measured.shape) != 1:
            raise ValueError(
                "the validation must return the model's held-out loss, a number, got "
                f"{tuple(measured.shape)} of them; return their mean: losses.mean()"
            )
        measured = measured.item()
    if not isinstance(measured, SupportsFloat):
        raise ValueError(
            "the validation must return the model's held-out loss, a number, got "
            f"{type(measured).__name__}"
        )
    loss = float(measured)
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"{when} the validation measured {loss}, by which nothing can be chosen; expected a "
            "finite number, the held-out loss"
        )
    return loss
