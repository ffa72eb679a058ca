"""What trains each entry of the zoo: ``aigc-tutorial zoo train NAME``.

The weights that come with the package were written by this command. The data themselves are needed:
on what stands in for them offline the training stops with an error.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.files import writable_folder
from aigc_tutorial.gan.recipes import MNIST_CONDITIONAL, MNIST_CONV, MNIST_MLP
from aigc_tutorial.zoo.entries import WEIGHTS_FOLDER, names
from aigc_tutorial.zoo.training.classifier import train_mnist_classifier
from aigc_tutorial.zoo.training.gan import train_gan
from aigc_tutorial.zoo.training.mixture import train_mixture
from aigc_tutorial.zoo.training.pixelcnn import train_mnist_pixelcnn
from aigc_tutorial.zoo.training.pixelcnn_binary import train_mnist_pixelcnn_binary
from aigc_tutorial.zoo.training.poems import train_tang
from aigc_tutorial.zoo.training.subwords import train_subwords
from aigc_tutorial.zoo.training.text import train_english, train_shakespeare

# What trains each entry: takes the seed and the folder of the zoo, returns the entry's folder.
# A GAN takes ``is_large`` too.
TRAINERS: dict[str, Callable[..., Path]] = {
    "english-bytes": train_english,
    "english-subwords": train_subwords,
    "mnist-classifier": train_mnist_classifier,
    "mnist-conditional-gan": partial(
        train_gan, MNIST_CONDITIONAL, "Draws the handwritten digit that is asked for", 400_000
    ),
    "mnist-conv-gan": partial(
        train_gan, MNIST_CONV, "Draws handwritten digits: the convolutional GAN", 1_500_000
    ),
    "mnist-mixture-gan": train_mixture,
    "mnist-mlp-gan": partial(
        train_gan, MNIST_MLP, "Draws handwritten digits: the fully connected GAN", 1_000_000
    ),
    "mnist-pixelcnn": train_mnist_pixelcnn,
    "mnist-pixelcnn-binary": train_mnist_pixelcnn_binary,
    "shakespeare-characters": train_shakespeare,
    "tang-quatrains": train_tang,
}


def check_names(chosen: Sequence[str], *, is_large: bool = False) -> None:
    """Refuse names that the zoo does not have, or that have no large form.

    Raises:
        ValueError: if one is such.
    """
    if unknown := [name for name in chosen if name not in TRAINERS]:
        raise ValueError(f"The zoo has no {', '.join(unknown)}; it has {', '.join(names())}.")
    if is_large and (others := [name for name in chosen if not name.endswith("-gan")]):
        raise ValueError(f"large is for the GANs, not for {', '.join(others)}.")


def train_entries(
    chosen: Sequence[str],
    *,
    seed: int = 0,
    folder: str | Path = WEIGHTS_FOLDER,
    is_large: bool = False,
) -> Iterator[Path]:
    """Train entries again, one after the other, and write each.

    Args:
        chosen: Names in the zoo.
        seed: Seed of the training.
        folder: Folder of the zoo.
        is_large: For a large GPU: wider networks, more images; GANs alone.

    Yields:
        The folder of each entry when it is written.

    Raises:
        ValueError: If a name is none of the zoo's, or has no large form.
        OSError: If the folder cannot be written, before anything is trained.
    """
    check_names(chosen, is_large=is_large)
    place = writable_folder(folder)
    tune_cpu()
    size = {"is_large": True} if is_large else {}
    for name in chosen:
        yield TRAINERS[name](seed, place, **size)
