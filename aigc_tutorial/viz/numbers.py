"""Numbers as figures take them: from tensors on any device, from arrays and lists, and finite."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from aigc_tutorial.integers import require_unmasked

Numbers = Sequence[float] | Sequence[Tensor] | np.ndarray | Tensor
"""A row of numbers as a figure takes it."""


def as_numbers(values: Any, what: str, *, finite: bool = True) -> np.ndarray:
    """A NumPy array of float64 for a figure.

    Args:
        values: a tensor of any type, on any device, with or without a gradient; an array; a list
            of numbers or of tensors with one.
        what: what the numbers are, for the message.
        finite: refuse infinity and NaN, of which a figure would show nothing, without a word.

    Raises:
        ValueError: if there is no number, or one that is not finite, or they are given by name.
    """
    if isinstance(values, Mapping):
        raise ValueError(
            f"{what} must be numbers in a row, got a {type(values).__name__}, whose names would be "
            "drawn; give one column, or list(….values())"
        )
    if isinstance(values, Tensor):
        array = values.detach().cpu().double().numpy()
    elif isinstance(values, np.ndarray):
        require_unmasked(values, what)
        array = values.astype(float)
    else:
        plain = (value.detach() if isinstance(value, Tensor) else value for value in values)
        array = np.array([float(value) for value in plain])
    if array.size == 0:
        raise ValueError(f"there is nothing to draw: {what} is empty")
    if finite and not np.isfinite(array).all():
        n_bad = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"{n_bad} of {array.size} numbers of {what} are infinite or not a number; a figure "
            "would leave them out without a word. Find out where they come from, or drop them"
        )
    return array
