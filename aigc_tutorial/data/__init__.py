"""Data to learn from: images, distributions in the plane, and the batches made of them."""

from aigc_tutorial.data.batches import ShuffledBatches
from aigc_tutorial.data.catalogue import (
    MNIST_TEST_IMAGES,
    MNIST_TEST_LABELS,
    MNIST_TRAIN_IMAGES,
    MNIST_TRAIN_LABELS,
    Resource,
)
from aigc_tutorial.data.fetch import (
    CacheError,
    DataFallbackWarning,
    DataIntegrityError,
    DataUnavailableError,
    Source,
    fetch,
)
from aigc_tutorial.data.images import ImageDataset, images_to_pixels, mnist, pixels_to_images
from aigc_tutorial.data.toy import ToyDistribution, grid, ring, spiral, two_moons

__all__ = [
    "MNIST_TEST_IMAGES",
    "MNIST_TEST_LABELS",
    "MNIST_TRAIN_IMAGES",
    "MNIST_TRAIN_LABELS",
    "CacheError",
    "DataFallbackWarning",
    "DataIntegrityError",
    "DataUnavailableError",
    "ImageDataset",
    "Resource",
    "ShuffledBatches",
    "Source",
    "ToyDistribution",
    "fetch",
    "grid",
    "images_to_pixels",
    "mnist",
    "pixels_to_images",
    "ring",
    "spiral",
    "two_moons",
]
