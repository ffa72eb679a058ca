"""Train the models of the zoo again: ``python -m aigc_tutorial.zoo.training mnist-classifier``.

The weights that come with the package were written by this command. The data themselves are needed:
on what stands in for them offline the training stops with an error.

On a large GPU, ``mnist-conv-gan --large`` trains wider networks on more images.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.files import writable_folder
from aigc_tutorial.gan.recipes import MNIST_CONDITIONAL, MNIST_CONV, MNIST_MLP
from aigc_tutorial.zoo.entries import WEIGHTS_FOLDER, names
from aigc_tutorial.zoo.training.classifier import train_mnist_classifier
from aigc_tutorial.zoo.training.gan import train_gan
from aigc_tutorial.zoo.training.pixelcnn import train_mnist_pixelcnn
from aigc_tutorial.zoo.training.pixelcnn_binary import train_mnist_pixelcnn_binary
from aigc_tutorial.zoo.training.poems import train_tang
from aigc_tutorial.zoo.training.text import train_english, train_shakespeare

# What trains each entry: takes the seed and the folder of the zoo, returns the entry's folder.
# A GAN takes ``is_large`` too.
TRAINERS: dict[str, Callable[..., Path]] = {
    "english-bytes": train_english,
    "mnist-classifier": train_mnist_classifier,
    "mnist-conditional-gan": partial(
        train_gan, MNIST_CONDITIONAL, "Draws the handwritten digit that is asked for", 400_000
    ),
    "mnist-conv-gan": partial(
        train_gan, MNIST_CONV, "Draws handwritten digits: the convolutional GAN", 1_500_000
    ),
    "mnist-mlp-gan": partial(
        train_gan, MNIST_MLP, "Draws handwritten digits: the fully connected GAN", 1_000_000
    ),
    "mnist-pixelcnn": train_mnist_pixelcnn,
    "mnist-pixelcnn-binary": train_mnist_pixelcnn_binary,
    "shakespeare-characters": train_shakespeare,
    "tang-quatrains": train_tang,
}


def main(arguments: list[str] | None = None) -> None:
    """Train one entry and write it.

    Args:
        arguments: Command line; by default that of the process.

    Raises:
        OSError: If the folder cannot be written, before anything is trained.
    """
    parser = argparse.ArgumentParser(
        prog="python -m aigc_tutorial.zoo.training", description=__doc__
    )
    which = ", ".join(names())
    parser.add_argument("names", nargs="+", choices=names(), metavar="name", help=which)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--large",
        action="store_true",
        help="for a large GPU: twice the feature maps, twelve million images (GANs alone)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=WEIGHTS_FOLDER,
        help="folder of the zoo (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.large and (others := [n for n in options.names if not n.endswith("-gan")]):
        parser.error(f"--large is for the GANs, not for {', '.join(others)}")
    writable_folder(options.folder)
    tune_cpu()
    size = {"is_large": True} if options.large else {}
    for name in options.names:
        print(f"Wrote {TRAINERS[name](options.seed, options.folder, **size)}")


if __name__ == "__main__":
    main()
