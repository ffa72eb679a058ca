"""Checks at the doors of the news monitor."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from aigc_tutorial.data.checks import as_classes, as_tensor, require_finite, require_same_length


def as_named(
    labels: Any, named: Any, n_classes: int = 1_000
) -> tuple[Int64[Tensor, " N"], Int64[Tensor, " N"]]:
    """Take the true class of each text and the one that was named.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if there are none, one is no class, or there is not one for each text.
    """
    labels = as_classes(labels, n_classes, "labels")
    named = as_classes(named, n_classes, "named")
    require_same_length(labels, named, "labels", "named classes")
    if not len(labels):
        raise ValueError("there is no text; give the labels of one or more")
    return labels, named.to(labels.device)


def as_counts(
    n_texts: Any, n_named: Any, names: tuple[str, str] = ("n", "k")
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """Take how many texts there are in each period, and how many of them are named so.

    Whole numbers become float32.

    Raises:
        TypeError: if they are no numbers.
        ValueError: if their shapes differ, or more are named than there are, or fewer than none.
    """
    counts = []
    for values, name in ((n_texts, names[0]), (n_named, names[1])):
        tensor = as_tensor(values, name)
        tensor = tensor if tensor.is_floating_point() else tensor.float()
        require_finite(tensor, name)
        counts.append(tensor)
    n, k = counts
    if n.shape != k.shape:
        raise ValueError(
            f"{names[0]} and {names[1]} must have one shape, got {tuple(n.shape)} and "
            f"{tuple(k.shape)}"
        )
    if bool((k < 0).any()) or bool((k > n).any()):
        raise ValueError(
            f"{names[1]} counts some of the texts that {names[0]} counts: no fewer than none, no "
            "more than all"
        )
    return n, k


def as_thresholds(thresholds: Sequence[float]) -> list[float]:
    """Take thresholds, at least one.

    Raises:
        ValueError: if there is none, or one is NaN.
    """
    limits = [float(limit) for limit in thresholds]
    if not limits or any(math.isnan(limit) for limit in limits):
        raise ValueError(f"thresholds must be one number or more, got {limits}")
    return limits


def as_mask(values: Any, n_texts: int, name: str) -> Tensor:
    """Take True or False of each text.

    Raises:
        TypeError: if they are no truth values.
        ValueError: if there is not one for each text.
    """
    mask = as_tensor(values, name)
    if mask.dtype != torch.bool:
        raise TypeError(f"{name} must be True or False for each text, got {mask.dtype}")
    if mask.shape != (n_texts,):
        raise ValueError(
            f"{name} must have one entry for each of the {n_texts} texts, got shape "
            f"{tuple(mask.shape)}"
        )
    return mask
