"""Whole numbers from whatever holds them: tensors of any integer type, NumPy arrays, lists."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

IntegersLike: TypeAlias = Tensor | np.ndarray | Sequence[Any] | int | np.integer
"""What :func:`as_int64` takes."""


def as_int64(
    values: IntegersLike, name: str, remedy: str = "", *, truth_values: bool = False
) -> Int64[Tensor, "..."]:
    """Convert whole numbers to an int64 tensor; nothing is rounded.

    A tensor stays on its device, and one that is int64 already is returned itself; all else comes
    to the CPU.

    Args:
        values: numbers, in a tensor, an array, or lists.
        name: what to call them in the message.
        remedy: what to do about other numbers, as the end of a sentence.
        truth_values: whether to take these too, as 0 and 1.

    Raises:
        ValueError: if the numbers are of a floating-point type or are truth values where
            these are not taken, if they reach 2^63, or if there are no numbers.
    """
    if isinstance(values, Tensor) and values.dtype == torch.int64:
        return values
    advice = f"; {remedy}" if remedy else ""
    values = from_array(values, name)
    try:
        tensor = values if isinstance(values, Tensor) else torch.as_tensor(values, device="cpu")
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"expected {name} as whole numbers, a tensor or equally long lists of them, got "
            f"{type(values).__name__} ({error}){advice}"
        ) from error
    if not isinstance(values, Tensor) and tensor.numel() == 0:
        return tensor.to(torch.int64)  # an empty list has no type of its own
    kind = tensor.dtype
    is_refused = kind == torch.bool and not truth_values
    if is_refused or kind.is_floating_point or kind.is_complex:
        raise ValueError(
            f"expected {name} as whole numbers (int64), got {str(kind).removeprefix('torch.')}"
            f"{advice}"
        )
    numbers = tensor.to(torch.int64)
    if kind == torch.uint64 and (numbers < 0).any():
        raise ValueError(f"expected {name} below 2^63, got larger ones (uint64){advice}")
    return numbers


def from_array(values: Any, name: str) -> Any:
    """A NumPy array of numbers or truth values as a tensor on the CPU; all else as it is.

    Torch takes neither negative strides nor foreign byte orders nor read-only memory; arrays with
    one of these are copied.

    Raises:
        ValueError: as :func:`require_unmasked` does.
    """
    require_unmasked(values, name)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        return values
    if values.itemsize > 8:
        return values  # a longer float than torch has
    return torch.from_numpy(np.require(values, values.dtype.newbyteorder("="), ["C", "W"]))


def require_unmasked(values: Any, name: str) -> None:
    """Refuse an array of NumPy with masked entries, whose numbers would count as all others do.

    Args:
        values: an array, a list of arrays, or anything else, which passes.
        name: what to call it in the message.

    Raises:
        ValueError: if it has some.
    """
    parts = values if isinstance(values, list | tuple) else [values]
    masked = [part for part in parts if isinstance(part, np.ma.MaskedArray)]
    if n := sum(int(np.ma.getmaskarray(part).sum()) for part in masked):
        raise ValueError(
            f"{name} has {n} masked entries, of which nothing is known; leave their rows out, or "
            "put numbers in their place: values.filled(0)"
        )


def require_values(tensor: Tensor, name: str) -> None:
    """Refuse a tensor that has a shape and no numbers.

    Raises:
        ValueError: if it is on the meta device.
    """
    if tensor.is_meta:
        raise ValueError(
            f"{name} must hold values, got a tensor on the meta device, which has a shape alone; "
            "make it on the CPU"
        )


def as_labels(
    labels: IntegersLike | None,
    n_classes: int | None,
    *,
    batch_size: int | torch.SymInt,
    look: bool = True,
) -> Int64[Tensor, " B"] | None:
    """The class of each image, which a model is told exactly if it has classes.

    Args:
        labels: class of each image, or None.
        n_classes: how many classes the model knows, None if it is told none.
        batch_size: B, how many images there are.
        look: whether to look at the values, which has to wait for a GPU.

    Raises:
        ValueError: if labels are missing, superfluous, of another shape, or no classes.
    """
    if n_classes is None:
        if labels is not None:
            raise ValueError("the model has no classes (n_classes is None); leave the labels away")
        return None
    if labels is None:
        raise ValueError(
            f"the model is told each image's class: give labels 0 … {n_classes - 1}, "
            f"of shape ({batch_size},)"
        )
    numbers = as_int64(labels, "labels")
    if numbers.shape != (batch_size,):
        raise ValueError(f"expected labels of shape ({batch_size},), got {tuple(numbers.shape)}")
    if look and len(numbers):
        require_values(numbers, "labels")
        lowest, highest = (int(extreme) for extreme in numbers.aminmax())
        if not 0 <= lowest <= highest < n_classes:
            raise ValueError(f"labels must lie in 0 … {n_classes - 1}, got {lowest} … {highest}")
    return numbers


def as_count(value: Any, name: str, at_least: int = 1) -> int:
    """A whole number of at least 1, or of another least number, as a Python int.

    Raises:
        ValueError: if it is something else.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if whole and value < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {value}")
    if not whole:
        raise ValueError(f"{name} must be at least {at_least}, a whole number, got {value!r}")
    return int(value)
