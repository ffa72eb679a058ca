"""What the functions of this subpackage ask of their arguments, each in a sentence."""

import math
from typing import Any

import torch
from torch import Tensor

from aigc_tutorial.integers import as_int64
from aigc_tutorial.tokenizers import Tokenizer


def require_numbers(values: Tensor, name: str, *, n_axes: int) -> None:
    """Refuse what has another shape, is empty, or holds what is not a number.

    Raises:
        ValueError: if one of these is so.
    """
    if not isinstance(values, Tensor) or values.ndim != n_axes or values.is_complex():
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{name} must be a tensor of real numbers with {n_axes} axes, got {got}")
    if not values.numel():
        raise ValueError(f"{name} must hold a number or more, got the shape {tuple(values.shape)}")
    if values.isnan().any():
        raise ValueError(f"{name} has entries that are not a number; find where they came from")


def require_confidences(confidence: Tensor, is_right: Tensor) -> None:
    """Refuse confidences that are no probabilities, or truth values that do not fit them.

    Raises:
        ValueError: if one of these is so.
    """
    require_numbers(confidence, "confidence", n_axes=1)
    if bool((confidence < 0).any() | (confidence > 1 + 1e-6).any()):
        raise ValueError(
            f"confidence must lie between 0 and 1, got {float(confidence.min()):g} to "
            f"{float(confidence.max()):g}; divide per cent by 100"
        )
    if is_right.dtype != torch.bool or is_right.shape != confidence.shape:
        raise ValueError(
            f"is_right must be truth values, one for each of {len(confidence)} confidences, got "
            f"{tuple(is_right.shape)} of {is_right.dtype}"
        )


def require_own_tokenizer(model: Any, tokenizer: Tokenizer) -> None:
    """Refuse a tokenizer that is not the model's: its tokens mean other texts there.

    Raises:
        ValueError: if the two have not as many tokens.
    """
    n_tokens = getattr(model, "vocab_size", tokenizer.vocab_size)  # not every backbone says it
    if n_tokens != tokenizer.vocab_size:
        raise ValueError(
            f"the model has {n_tokens} tokens and the tokenizer {tokenizer.vocab_size}; "
            "give the tokenizer that the model was trained with"
        )


def as_labels_of(rows: Tensor, labels: Any, n_classes: int | None = None) -> Tensor:
    """One class for each row.

    Raises:
        ValueError: if they are no whole numbers, are more or fewer, or lie outside the classes.
    """
    found = as_int64(labels, "labels")
    if found.shape != (len(rows),):
        raise ValueError(
            f"labels must be one for each of {len(rows)} rows, got {tuple(found.shape)}"
        )
    if len(found) and not 0 <= int(found.min()) <= int(found.max()) < (n_classes or math.inf):
        raise ValueError(
            f"labels must be classes from 0 on, below {n_classes}, got {int(found.min())} … "
            f"{int(found.max())}"
        )
    return found
