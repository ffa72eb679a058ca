"""Data to learn from: images, text, sound, made-up sequences, and the batches made of them."""

from aigc_tutorial.data.batches.bins import PlaneBins
from aigc_tutorial.data.batches.levels import BinarisedBatches, binarise, dequantise, quantise
from aigc_tutorial.data.batches.rows import ShuffledBatches, ShuffledTuples
from aigc_tutorial.data.batches.tokens import TokenWindows, pack_sequences, pad_sequences
from aigc_tutorial.data.catalogue import (
    MNIST_TEST_IMAGES,
    MNIST_TEST_LABELS,
    MNIST_TRAIN_IMAGES,
    MNIST_TRAIN_LABELS,
    SUPPORT_UTTERANCES,
    TANG_POEMS,
    TINY_SHAKESPEARE,
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
from aigc_tutorial.data.images import (
    ImageDataset,
    images_to_pixels,
    mnist,
    mnist_sample,
    pixels_to_images,
)
from aigc_tutorial.data.poems import Poem, PoemDataset, tang_poems, tang_sample
from aigc_tutorial.data.synthetic.bulletins import (
    BULLETIN_ENTROPY,
    share_of_bulletins,
    weather_bulletins,
)
from aigc_tutorial.data.synthetic.chains import MarkovChain, XORChain, ring_chain
from aigc_tutorial.data.synthetic.dates import (
    DATE_STYLES,
    WEEKDAYS,
    DatePair,
    date_pairs,
    write_date,
)
from aigc_tutorial.data.synthetic.melodies import (
    NOTE_DURATIONS,
    SCALES,
    MelodyStyle,
    Note,
    render_melody,
    share_in_scale,
)
from aigc_tutorial.data.synthetic.moving_digits import DIGIT_SIDE, moving_digits
from aigc_tutorial.data.synthetic.pretext import quarter_turns
from aigc_tutorial.data.synthetic.tasks import CopyTask, DelayTask, RecallTask
from aigc_tutorial.data.synthetic.toy import ToyDistribution, grid, ring, spiral, two_moons
from aigc_tutorial.data.synthetic.vowels import (
    VOWEL_FORMANTS,
    VOWEL_SAMPLE_RATE,
    VOWELS,
    VowelDataset,
    mu_law_decode,
    mu_law_encode,
    synthetic_vowels,
)
from aigc_tutorial.data.text import TextDataset, python_documentation, tiny_shakespeare
from aigc_tutorial.data.utterances import (
    SUPPORT_INTENTS,
    SUPPORT_TAGS,
    Utterance,
    UtteranceDataset,
    normal_form,
    support_sample,
    support_utterances,
)

__all__ = [
    "BULLETIN_ENTROPY",
    "DATE_STYLES",
    "DIGIT_SIDE",
    "MNIST_TEST_IMAGES",
    "MNIST_TEST_LABELS",
    "MNIST_TRAIN_IMAGES",
    "MNIST_TRAIN_LABELS",
    "NOTE_DURATIONS",
    "SCALES",
    "SUPPORT_INTENTS",
    "SUPPORT_TAGS",
    "SUPPORT_UTTERANCES",
    "TANG_POEMS",
    "TINY_SHAKESPEARE",
    "VOWELS",
    "VOWEL_FORMANTS",
    "VOWEL_SAMPLE_RATE",
    "WEEKDAYS",
    "BinarisedBatches",
    "CacheError",
    "CopyTask",
    "DataFallbackWarning",
    "DataIntegrityError",
    "DataUnavailableError",
    "DatePair",
    "DelayTask",
    "ImageDataset",
    "MarkovChain",
    "MelodyStyle",
    "Note",
    "PlaneBins",
    "Poem",
    "PoemDataset",
    "RecallTask",
    "Resource",
    "ShuffledBatches",
    "ShuffledTuples",
    "Source",
    "TextDataset",
    "TokenWindows",
    "ToyDistribution",
    "Utterance",
    "UtteranceDataset",
    "VowelDataset",
    "XORChain",
    "binarise",
    "date_pairs",
    "dequantise",
    "fetch",
    "grid",
    "images_to_pixels",
    "mnist",
    "mnist_sample",
    "moving_digits",
    "mu_law_decode",
    "mu_law_encode",
    "normal_form",
    "pack_sequences",
    "pad_sequences",
    "pixels_to_images",
    "python_documentation",
    "quantise",
    "quarter_turns",
    "render_melody",
    "ring",
    "ring_chain",
    "share_in_scale",
    "share_of_bulletins",
    "spiral",
    "support_sample",
    "support_utterances",
    "synthetic_vowels",
    "tang_poems",
    "tang_sample",
    "tiny_shakespeare",
    "two_moons",
    "weather_bulletins",
    "write_date",
]
