"""The data sets' files: what they are called, where they come from, and what they must hold.

A file is known by the SHA-256 of its *content*, after decompression: two gzip files of the same
bytes differ with the program that wrote them, their content does not.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """One file of a data set.

    Attributes:
        name: what a reader calls it.
        filename: path below a data folder or the cache, with forward slashes.
        sha256: of the content, after decompression where the file is gzip.
        addresses: where to download it: the upstream first, then mirrors.
        licence: licence of the content.
        citation: what to cite when it is used.
        n_bytes: size of the content, after decompression.
        n_bytes_download: size of the file as it is downloaded.
    """

    name: str
    filename: str
    sha256: str
    addresses: tuple[str, ...]
    licence: str
    citation: str
    n_bytes: int
    n_bytes_download: int


def _mnist(name: str, filename: str, sha256: str, n_bytes: int, n_bytes_download: int) -> Resource:
    return Resource(
        name=name,
        filename=f"MNIST/raw/{filename}",
        sha256=sha256,
        # The original host, yann.lecun.com, answers no longer; these are the mirrors that
        # torchvision and TensorFlow Datasets use.
        addresses=(
            f"https://ossci-datasets.s3.amazonaws.com/mnist/{filename}",
            f"https://storage.googleapis.com/cvdf-datasets/mnist/{filename}",
        ),
        licence="CC BY-SA 3.0",
        citation=(
            "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to "
            "document recognition. Proceedings of the IEEE 86(11), 2278-2324, 1998."
        ),
        n_bytes=n_bytes,
        n_bytes_download=n_bytes_download,
    )


MNIST_TRAIN_IMAGES = _mnist(
    "MNIST training images",
    "train-images-idx3-ubyte.gz",
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    47_040_016,
    9_912_422,
)
MNIST_TRAIN_LABELS = _mnist(
    "MNIST training labels",
    "train-labels-idx1-ubyte.gz",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    60_008,
    28_881,
)
MNIST_TEST_IMAGES = _mnist(
    "MNIST test images",
    "t10k-images-idx3-ubyte.gz",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    7_840_016,
    1_648_877,
)
MNIST_TEST_LABELS = _mnist(
    "MNIST test labels",
    "t10k-labels-idx1-ubyte.gz",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    10_008,
    4_542,
)
