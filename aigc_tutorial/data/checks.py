"""Checks of data at the doors where they enter: training, evaluation, data sets.

Every function that takes samples sends them through one of these first. What is safe is converted:
NumPy arrays, lists, data sets of images, other number types, gradients cut off. What is not is a
ValueError, or a TypeError if it is no array at all, that says what was expected and what to do.
Under pytest the shapes in the signatures are checked before these; everywhere else these speak.
"""

import inspect
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Shaped
from torch import Tensor

from aigc_tutorial.integers import as_int64, require_unmasked


@runtime_checkable
class HasImages(Protocol):
    """What holds its images in one tensor: :class:`~aigc_tutorial.data.ImageDataset`."""

    @property
    def images(self) -> Tensor:
        """Samples along the first dimension."""
        ...


Samples = Shaped[Tensor, "..."] | Shaped[np.ndarray, "..."] | HasImages | Sequence[Any]
"""What a door takes for samples: a tensor, a NumPy array, a data set of images, or a list."""

_HALF_SUPPORTED = (torch.uint16, torch.uint32, torch.uint64)
"""Types that torch can hold and neither compare nor sort."""

_ROUNDING = 1e-3
"""How far a pixel may lie outside [-1, 1]: what float16 and resampling do to the ends."""


def as_tensor(values: Samples, name: str) -> Tensor:
    """Take what is given as a tensor without a gradient, on the device and of the type it has.

    Of unsigned whole numbers only bytes keep their type; the larger become int64.

    Args:
        values: A tensor, a NumPy array, a list of numbers or of equally large samples, or a data
            set, of which the images are taken.
        name: What to call it in messages.

    Raises:
        TypeError: If it is none of these.
        ValueError: If it is a tensor without numbers, on the meta device, or none that is dense,
            if it is an array with masked entries, or a list of samples of different sizes, or if a
            number reaches 2^63.
    """
    if isinstance(values, HasImages) and not isinstance(values, Tensor | np.ndarray):
        values = values.images
    require_unmasked(values, name)
    if isinstance(values, list | tuple):
        values = _joined(values, name)
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf" and values.itemsize <= 8:
        # A copy: torch takes neither negative strides nor foreign byte orders nor read-only memory.
        values = torch.from_numpy(values.astype(values.dtype.newbyteorder("="), order="C"))
    if not isinstance(values, Tensor):
        raise TypeError(
            f"{name} must be numbers in a tensor, a NumPy array or a list, one sample a row, got "
            f"{_kind(values)}."
        )
    if values.is_meta:
        raise ValueError(
            f"{name} is on the meta device, where tensors have a shape and no numbers. "
            "Move the model that made it to a real device first."
        )
    if values.layout != torch.strided or values.is_nested:
        kind = "nested" if values.is_nested else str(values.layout).removeprefix("torch.")
        raise ValueError(
            f"{name} must be a dense tensor, got a {kind} one; x.to_dense() makes it one, and "
            "torch.nested.to_padded_tensor does of nested samples."
        )
    values = as_int64(values, name) if values.dtype in _HALF_SUPPORTED else values
    return values.detach()


def as_given(values: Samples, name: str) -> Tensor:
    """Take a tensor as it is, its gradient included, and anything else as :func:`as_tensor` does.

    Args:
        values: A tensor, a NumPy array, a list of numbers or of equally large samples, or a data
            set.
        name: What to call it in messages.

    Raises:
        TypeError: If it is none of these.
        ValueError: If it is a list of samples of different sizes.
    """
    return values if isinstance(values, Tensor) else as_tensor(values, name)


def _joined(values: Sequence[Any], name: str) -> Any:
    """A list as one tensor or array."""
    try:
        if values and all(isinstance(value, Tensor) for value in values):
            return torch.stack(list(values))
        return np.asarray(values)
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"{name} must be equally large samples if they are given in a list: {error}"
        ) from error


def as_floats(values: Samples, name: str, remedy: str) -> Float[Tensor, "..."]:
    """Take finite floating point numbers of any shape, float32 unless they are float64.

    Half a precision would round what is computed from them.

    Args:
        values: The numbers.
        name: What to call them in messages.
        remedy: What to do about numbers of another type, as a sentence.

    Raises:
        TypeError: If it is no tensor, NumPy array, list or data set of images.
        ValueError: If the numbers are of another type, or one is not finite.
    """
    numbers = as_tensor(values, name)
    if not numbers.is_floating_point():
        raise ValueError(f"{name} must be floating point numbers, got {numbers.dtype}. {remedy}")
    require_finite(numbers, name)
    return numbers if numbers.dtype == torch.float64 else numbers.float()


def as_samples(values: Samples, name: str) -> Float[Tensor, " N ..."]:
    """Take finite floating point samples: at least one, float32 unless they are float64.

    Args:
        values: One sample a row.
        name: What to call the set in messages.

    Raises:
        TypeError: If it is no tensor, NumPy array, list or data set of images.
        ValueError: If there is no sample, if the numbers are integers, or one is not finite.
    """
    samples = as_tensor(values, name)
    is_bytes = samples.dtype == torch.uint8
    samples = as_floats(
        samples,
        name,
        "Pixels 0 … 255 become images in [-1, 1] by data.pixels_to_images."
        if is_bytes
        else "If whole numbers are meant as measurements, convert them by .float().",
    )
    if samples.ndim < 1 or samples.numel() == 0:
        raise ValueError(
            f"{name} must hold at least one sample, one a row, got shape {tuple(samples.shape)}."
        )
    return samples


def as_float32(values: Samples, name: str) -> Float32[Tensor, " N ..."]:
    """Take finite samples as float32, and refuse those that float32 cannot hold.

    Args:
        values: One sample a row.
        name: What to call the set in messages.

    Raises:
        TypeError: If it is no tensor, NumPy array, list or data set of images.
        ValueError: As :func:`as_samples`, and if a number is beyond 3.4e38.
    """
    samples = as_samples(values, name)
    if samples.dtype == torch.float64:
        low, high = (float(end) for end in torch.aminmax(samples))
        limit = torch.finfo(torch.float32).max
        if max(-low, high) > limit:
            raise ValueError(
                f"{name} must fit into float32, whose largest number is {limit:.4g}, got "
                f"{low:.4g} to {high:.4g}. Divide them by their standard deviation."
            )
    return samples.float()


def as_images(values: Samples, name: str = "images") -> Float32[Tensor, "N C H W"]:
    """Take images in [-1, 1], as float32.

    Args:
        values: Images (N, C, H, W).
        name: What to call them in messages.

    Raises:
        TypeError: If it is no tensor, NumPy array, list or data set of images.
        ValueError: If they have another shape, are not finite, or lie in another range.
    """
    images = as_samples(values, name)
    if images.ndim != 4:
        raise ValueError(
            f"{name} must have the shape (N, C, H, W): images, channels, height, width; got "
            f"{tuple(images.shape)}. Grey images (N, H, W) become so by {name}[:, None]."
        )
    require_image_range(images, name)
    return images.float()


def as_classes(values: Samples, n_classes: int, name: str = "labels") -> Int64[Tensor, " N"]:
    """Take the class of each sample as int64.

    Args:
        values: Whole numbers from 0 to ``n_classes - 1``.
        n_classes: Number of classes.
        name: What to call them in messages.

    Raises:
        TypeError: If it is no tensor, NumPy array or list.
        ValueError: If they are not whole numbers on one axis, or one of them is no class.
    """
    classes = as_tensor(values, name)
    if classes.is_floating_point() or classes.dtype == torch.bool or classes.ndim != 1:
        raise ValueError(
            f"{name} must be whole numbers of shape (N,), one class a sample, got {classes.dtype} "
            f"of shape {tuple(classes.shape)}."
        )
    classes = classes.long()
    if len(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < n_classes:
        raise ValueError(
            f"{name} must lie between 0 and {n_classes - 1}, got {int(classes.min())} to "
            f"{int(classes.max())}."
        )
    return classes


def check_rows(model: Any, rows: tuple[Any, ...]) -> tuple[Tensor, ...]:
    """Let a model look at what its ``nll`` is to take, all at once; one that cannot gets tensors.

    Args:
        model: Has ``nll``, and mostly ``check_rows``, which takes the same.
        rows: The data, and what belongs to them: a mask, segments, labels.

    Raises:
        ValueError: If these are not what the model takes.
    """
    if not hasattr(model, "check_rows"):
        return tuple(as_tensor(part, "rows") for part in rows)
    try:
        inspect.signature(model.check_rows).bind(*rows)
    except TypeError as error:
        raise ValueError(
            f"a tuple of {len(rows)} is not what {type(model).__name__} takes ({error}); "
            "expected what its nll does: rows, and what belongs to them"
        ) from None
    return model.check_rows(*rows)


def require_image_range(images: Float[Tensor, "..."], name: str) -> None:
    """Refuse images that are not in [-1, 1] with a background of -1.

    Images in [0, 1] lie within [-1, 1] too, and after resampling some of their pixels lie a little
    below 0. They are told by their ends: images in [-1, 1] reach at least half as far below 0 as
    above it. That holds for digits on their background, for photographs, and for what an untrained
    generator makes, all near 0.

    Args:
        images: One or more images.
        name: What to call them in the message.

    Raises:
        ValueError: If a pixel is beyond ±1, or none is below 0 by half of the largest.
    """
    low, high = (float(end) for end in torch.aminmax(images))
    from_zero = _is_from_zero(low, high)
    if not from_zero and low >= -1 - _ROUNDING and high <= 1 + _ROUNDING:
        return
    if from_zero and high <= 1.5:
        advice = f"Images in [0, 1] become so by 2 * {name} - 1."
        if low < 0 or high > 1:
            advice += " What resampling has put beyond 0 or 1 is clamped first."
    elif low >= 0 and high <= 255:
        advice = f"Pixels 0 … 255 become so by data.pixels_to_images({name}.to(torch.uint8))."
    else:
        advice = "Undo the normalisation by mean and standard deviation, or clamp what overshoots."
    raise ValueError(
        f"{name} must lie in [-1, 1] with -1 as background, got {low:.4g} to {high:.4g}. {advice}"
    )


def require_no_range_from_zero(images: Tensor, name: str) -> None:
    """Refuse images in [0, 1] or 0 … 255 where one in [-1, 1] may be all bright, to be shown, say.

    The darkest pixel of images in [0, 1] is exactly 0, their background; in [-1, 1] that is as
    good as never so. Nor is a picture white all over and far beyond. This finds less than
    :func:`require_image_range`.

    Args:
        images: One or more images; whole numbers are none.
        name: What to call them in the message.

    Raises:
        ValueError: If the smallest value is 0 and the largest above 0.5, or no value is below 0 and
            the largest above 1.5.
    """
    if not images.is_floating_point() or images.numel() == 0:
        return
    low, high = (float(end) for end in torch.aminmax(images.detach()))
    if not (low == 0 and high > 0.5) and not (low >= 0 and high > 1.5):
        return
    what = f"{name} must lie in [-1, 1], got {low:.4g} to {high:.4g}"
    if high <= 1.5:
        raise ValueError(
            f"{what}: black would become grey. Images in [0, 1] become so by 2 * {name} - 1."
        )
    raise ValueError(
        f"{what}: all above 1 would become white. Pixels 0 … 255 become so by "
        f"data.pixels_to_images({name}.to(torch.uint8)), levels by data.dequantise."
    )


def require_same_range(
    a: Float[Tensor, " N ..."], b: Float[Tensor, " M ..."], name_a: str, name_b: str
) -> None:
    """Refuse two sets of images of which one lies in [0, 1] (or 0 … 255) and the other does not.

    Measures that compare two sets take images of any scale, if it is one scale. Features and
    points, which have not four axes, may lie anywhere.

    Args:
        a: First set.
        b: Second set.
        name_a: What to call the first in the message.
        name_b: What to call the second.

    Raises:
        ValueError: If one set reaches as far below 0 as above it, and the other hardly below 0.
    """
    if a.ndim != 4 or b.ndim != 4:
        return
    ends = [tuple(float(end) for end in torch.aminmax(x)) for x in (a, b)]
    (low_a, high_a), (low_b, high_b) = ends
    if _is_from_zero(low_a, high_a) != _is_from_zero(low_b, high_b):
        raise ValueError(
            f"{name_a} lie between {low_a:.4g} and {high_a:.4g}, {name_b} between {low_b:.4g} and "
            f"{high_b:.4g}; both must have one range. Images in [0, 1] become images in [-1, 1] by "
            "2 * images - 1."
        )


def _is_from_zero(low: float, high: float) -> bool:
    """Whether a range begins at 0, but for what resampling adds below it."""
    return low >= -high / 2


def on_one_device(*sets: Tensor) -> tuple[Tensor, ...]:
    """Bring sets of samples together: to the first accelerator that one of them is on, if any.

    On an Apple GPU, which has no float64, they become float32.

    Args:
        sets: Tensors on any devices.
    """
    device = next((x.device for x in sets if x.device.type != "cpu"), torch.device("cpu"))
    has_float64 = device.type != "mps"
    return tuple((x if has_float64 else x.float()).to(device) for x in sets)


def require_rng(rng: Any, name: str = "rng") -> torch.Generator:
    """Return a source of randomness; a seed is none, since each call would begin with it anew.

    Args:
        rng: A generator of torch.
        name: What to call it in the message.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(rng, torch.Generator):
        raise TypeError(
            f"{name} must be a torch.Generator, got {_kind(rng)}. Of a seed, "
            "torch.Generator().manual_seed(seed) makes one."
        )
    return rng


def require_finite(values: Tensor, name: str) -> None:
    """Refuse NaN and infinity.

    Args:
        values: Any tensor of floating point numbers.
        name: What to call it in the message.

    Raises:
        ValueError: If an entry is NaN or infinite.
    """
    # Smallest and largest tell without a second tensor of that size: NaN would be both.
    if values.numel() == 0 or all(end.isfinite() for end in torch.aminmax(values.detach())):
        return
    parts = values.detach().flatten().split(1_000_000)
    n_bad = sum(int((~part.isfinite()).sum()) for part in parts)
    raise ValueError(
        f"{name} holds {n_bad} entries that are NaN or infinite, out of {values.numel()}. "
        "Look for a training that diverged, or a division by zero while the data were prepared."
    )


def require_same_shape(a: Tensor, b: Tensor, name_a: str, name_b: str) -> None:
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
            f"{tuple(b.shape[1:])}; they must be images of one size, or come from the same "
            "feature extractor."
        )


def require_vectors(values: Tensor, name: str) -> None:
    """Refuse what is not one vector a row.

    Args:
        values: Any tensor.
        name: What to call it in the message.

    Raises:
        ValueError: If it has not two axes.
    """
    if values.ndim != 2:
        raise ValueError(
            f"{name} must have the shape (N, F), one vector of features a sample, got "
            f"{tuple(values.shape)}. Features of digits come from evaluation.predict."
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


def as_feature_sets(
    features_real: Samples, features_fake: Samples
) -> tuple[Float[Tensor, " N F"], Float[Tensor, " M F"]]:
    """Take the features of real and of generated samples, as wide as each other.

    Args:
        features_real: One vector of features a row (N, F), on any device.
        features_fake: The same of the other set (M, F).

    Raises:
        ValueError: If a set is no (N, F) or empty, if the widths differ, or there is NaN.
    """
    real = as_samples(features_real, "features_real")
    fake = as_samples(features_fake, "features_fake")
    require_vectors(real, "features_real")
    require_vectors(fake, "features_fake")
    require_same_shape(real, fake, "features_real", "features_fake")
    return real, fake


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


def _kind(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a NumPy array of {value.dtype}"
    return f"a {type(value).__name__}"
