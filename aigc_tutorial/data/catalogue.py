"""The data sets' files: what they are called, where they come from, and what they must hold.

A file is known by the SHA-256 of its *content*, after decompression: two gzip files of the same
bytes differ with the program that wrote them, their content does not. A zip archive holds several
files and has one publisher; it is known by its own bytes, and read by the loader.
"""

from dataclasses import dataclass

from aigc_tutorial.data._tang_checksums import TANG_FILES


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

_CHAR_RNN_COMMIT = "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"

TINY_SHAKESPEARE = Resource(
    name="tiny Shakespeare",
    filename="text/tinyshakespeare.txt",
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    addresses=(
        f"https://raw.githubusercontent.com/karpathy/char-rnn/{_CHAR_RNN_COMMIT}"
        "/data/tinyshakespeare/input.txt",
        f"https://cdn.jsdelivr.net/gh/karpathy/char-rnn@{_CHAR_RNN_COMMIT}"
        "/data/tinyshakespeare/input.txt",
    ),
    licence="public domain",
    citation=(
        "A. Karpathy: The unreasonable effectiveness of recurrent neural networks, 2015. "
        "Text: W. Shakespeare."
    ),
    n_bytes=1_115_394,
    n_bytes_download=1_115_394,
)

_CHINESE_POETRY_COMMIT = "99ebbef7e1345c0985c44b9fd96a3f9e776f117b"
_TANG_FOLDER = "%E5%85%A8%E5%94%90%E8%AF%97"  # 全唐诗, as an address writes it


def _tang_file(index: int, sha256: str, n_bytes: int) -> Resource:
    filename = f"poet.tang.{index * 1000}.json"
    return Resource(
        name=f"Tang poems, file {index + 1} of {len(TANG_FILES)}",
        filename=f"tang/{filename}",
        sha256=sha256,
        addresses=(
            "https://raw.githubusercontent.com/chinese-poetry/chinese-poetry"
            f"/{_CHINESE_POETRY_COMMIT}/{_TANG_FOLDER}/{filename}",
            "https://cdn.jsdelivr.net/gh/chinese-poetry/chinese-poetry"
            f"@{_CHINESE_POETRY_COMMIT}/{_TANG_FOLDER}/{filename}",
        ),
        licence="MIT",
        citation=(
            "chinese-poetry, the most comprehensive database of Chinese poetry, "
            "github.com/chinese-poetry/chinese-poetry. Text: Quan Tangshi, 1705."
        ),
        n_bytes=n_bytes,
        n_bytes_download=n_bytes,
    )


TANG_POEMS = tuple(
    _tang_file(index, sha256, n_bytes) for index, (sha256, n_bytes) in enumerate(TANG_FILES)
)

_BITEXT_COMMIT = "e970229e6473109417301b5edddb283917a10aac"
_BITEXT = "bitext/customer-support-intent-detection-training-dataset"


def _support_file(part: str, sha256: str, n_bytes: int) -> Resource:
    filename = f"Bitext_Sample_Customer_Service_{part}_Dataset.csv"
    return Resource(
        name=f"support utterances, {part.lower()} file",
        filename=f"customer_service/{filename}",
        sha256=sha256,
        addresses=(
            f"https://raw.githubusercontent.com/{_BITEXT}/{_BITEXT_COMMIT}/{filename}",
            f"https://cdn.jsdelivr.net/gh/{_BITEXT}@{_BITEXT_COMMIT}/{filename}",
        ),
        licence="CDLA-Sharing 1.0",
        citation=(
            "Bitext: Customer Service Tagged Training Dataset for Intent Detection, "
            f"github.com/{_BITEXT}."
        ),
        n_bytes=n_bytes,
        n_bytes_download=n_bytes,
    )


SUPPORT_UTTERANCES = (
    _support_file(
        "Training", "4360971d9ed1884ddc3480b66b50bd3a0ee4b0f5726d1baff6025c69fb854f07", 560_931
    ),
    _support_file(
        "Validation", "d8bb2011de49a2fd7c12cf0c520e26cc266c8e28501906554a5e22a93e79d177", 69_552
    ),
    _support_file(
        "Testing", "e5b8984f88ff4e032dec929c93ab15e8165b439056cce665959a386fc14d06d5", 70_166
    ),
)
"""What customers write to a support desk, with the intent of each: three files of one split."""


def _tweets(name: str, filename: str, sha256: str, n_bytes: int) -> Resource:
    path = f"datasets/zeroshot/twitter-financial-news-sentiment/resolve/main/{filename}"
    return Resource(
        name=name,
        filename=f"financial_news/{filename}",
        sha256=sha256,
        addresses=(f"https://huggingface.co/{path}", f"https://hf-mirror.com/{path}"),
        licence="MIT",
        citation=(
            "Zeroshot: Twitter financial news sentiment, 2022, "
            "huggingface.co/datasets/zeroshot/twitter-financial-news-sentiment."
        ),
        n_bytes=n_bytes,
        n_bytes_download=n_bytes,
    )


FINANCIAL_NEWS_TRAIN = _tweets(
    "financial tweets to train on",
    "sent_train.csv",
    "184e6322b7f0e84c3103a83d198f1be8203de8b63a857f67a2964321b71c4e8d",
    868_189,
)
FINANCIAL_NEWS_TEST = _tweets(
    "financial tweets to test on",
    "sent_valid.csv",
    "393572beac5064ed60c9f608a57dc66af2b41a91b89c149932d5c57f827e25da",
    219_767,
)

MOVIELENS_SMALL = Resource(
    name="MovieLens ratings (ml-latest-small)",
    filename="movielens/ml-latest-small.zip",
    sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    # GroupLens offers it at this one address; its licence lets others pass it on under the same
    # terms, and no mirror that keeps these bytes is known to us.
    addresses=(
        "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
        "http://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
    ),
    licence="GroupLens: research, no commercial use without permission, passed on as it is",
    citation=(
        "F. M. Harper, J. A. Konstan: The MovieLens datasets: history and context. ACM "
        "Transactions on Interactive Intelligent Systems 5(4), 19:1-19:19, 2015."
    ),
    n_bytes=978_202,
    n_bytes_download=978_202,
)
