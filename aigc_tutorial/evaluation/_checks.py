"""Checks of arguments that the evaluations share.

Under pytest the shapes in the signatures are checked before these; everywhere else these speak.
"""

import torch
from torch import Tensor


def require_finite(values: Tensor, name: str) -> None:
    """Refuse NaN and infinity.

    Args:
        values: Any tensor of floating point numbers.
        name: What to call it in the message.

    Raises:
        ValueError: If an entry is NaN or infinite.
    """
    n_bad = int((~torch.isfinite(values)).sum())
    if n_bad:
        raise ValueError(
            f"{name} holds {n_bad} entries that are NaN or infinite, out of {values.numel()}. "
            "Look for a training that diverged; such samples cannot be measured."
        )


def require_same_width(a: Tensor, b: Tensor, name_a: str, name_b: str) -> None:
    """Refuse two sets whose rows have different shapes.

    Args:
        a: First set, one sample a row.
        b: Second set.
        name_a: What to call the first in the message.
        name_b: What to call the second.

    Raises:
        ValueError: If the rows differ in shape.
    """
    if a.shape[1:] != b.shape[1:]:
        raise ValueError(
            f"Rows of {name_a} have shape {tuple(a.shape[1:])}, rows of {name_b} "
            f"{tuple(b.shape[1:])}; they must come from the same feature extractor."
        )


def require_same_length(a: Tensor, b: Tensor, name_a: str, name_b: str) -> None:
    """Refuse two tensors that do not have one row for each other's.

    Args:
        a: First tensor.
        b: Second tensor.
        name_a: What to call the first in the message.
        name_b: What to call the second.

    Raises:
        ValueError: If the numbers of rows differ.
    """
    if len(a) != len(b):
        raise ValueError(f"Got {len(a)} {name_a} and {len(b)} {name_b}; the numbers must be equal.")


def require_samples(values: Tensor, n_needed: int, name: str, reason: str) -> None:
    """Refuse too few samples.

    Args:
        values: One sample a row.
        n_needed: Smallest number of rows.
        name: What to call the set in the message.
        reason: Why so many are needed, as the end of a sentence.

    Raises:
        ValueError: If there are fewer rows.
    """
    if len(values) < n_needed:
        raise ValueError(f"{name}: got {len(values)} samples, need at least {n_needed}: {reason}.")
