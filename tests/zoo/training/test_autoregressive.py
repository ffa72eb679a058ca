"""The commands that train the autoregressive entries, on a small scale."""

import dataclasses
import math

import pytest
import torch

from aigc_tutorial import zoo
from aigc_tutorial.ar import PixelCNNConfig
from aigc_tutorial.data import Poem, PoemDataset, Source, TextDataset
from aigc_tutorial.evaluation import sequence_likelihood, text_likelihood
from aigc_tutorial.zoo.training import pixelcnn, pixelcnn_binary, poems, subwords, text
from aigc_tutorial.zoo.training.trainers import train_entries
from tests.zoo.training.test_train import stripes

SOURCE = Source("folder", "nowhere", "made for a test")
TEXT = TextDataset("to be, or not to be: that is the question.\n" * 60, SOURCE)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Checkpoints go into ``runs``, where the command is given."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    """One process keeps one precision, and the other tests use this one."""
    for module in (pixelcnn, pixelcnn_binary, subwords):
        monkeypatch.setattr(module, "fast_precision", lambda: "no")


def shortened(recipe, **sizes):
    return dataclasses.replace(
        recipe,
        model_config=dataclasses.replace(
            recipe.model_config, n_layers=1, n_heads=2, width=16, **sizes
        ),
        training=dataclasses.replace(recipe.training, n_tokens=60_000, warmup_tokens=1_000),
    )


@pytest.mark.parametrize(
    ("name", "recipe", "what"),
    [
        ("shakespeare-characters", "LONG_SHAKESPEARE", "nats_per_character"),
        ("english-bytes", "ENGLISH", "nats_per_byte_shakespeare"),
    ],
)
def test_text(name, recipe, what, monkeypatch, tmp_path):
    vocabulary = {"LONG_SHAKESPEARE": len(set(TEXT.text)), "ENGLISH": 256}
    short = shortened(getattr(text, recipe), vocab_size=vocabulary[recipe])
    monkeypatch.setattr(text, recipe, short)
    monkeypatch.setattr(text, "whole_shakespeare", lambda: TEXT)
    monkeypatch.setattr(text, "python_documentation", lambda: TEXT)
    assert list(train_entries([name], seed=2, folder=tmp_path)) == [tmp_path / name]

    card, model = zoo.card(name, folder=tmp_path), zoo.load(name, folder=tmp_path)
    assert card.seed == 2
    assert card.n_seen >= 60_000
    assert f"{card.n_seen:,} {card.unit}, seed 2" in str(card)
    held_out = zoo.tokenizer(name, folder=tmp_path).encode(TEXT.split("validation").text)
    report = text_likelihood(model, held_out, context=model.context)
    assert card.metrics[what].value == pytest.approx(report.nats_per_token, abs=1e-4)
    assert report.nats_per_token < 2.0  # of a text that repeats itself


def test_subwords(monkeypatch, tmp_path):
    """Bits per byte are those of the tokens, shared out over the bytes that they stand for."""
    name = "english-subwords"
    short = shortened(subwords.ENGLISH_SUBWORDS, vocab_size=280)
    monkeypatch.setattr(subwords, "VOCAB_SIZE", 280)
    monkeypatch.setattr(subwords, "ENGLISH_SUBWORDS", short)
    for text_of in ("docstring_prose", "python_documentation", "whole_shakespeare"):
        monkeypatch.setattr(subwords, text_of, lambda: TEXT)
    assert list(train_entries([name], seed=2, folder=tmp_path)) == [tmp_path / name]

    card, model = zoo.card(name, folder=tmp_path), zoo.load(name, folder=tmp_path)
    assert (card.seed, card.unit) == (2, "tokens")
    held_out = TEXT.split("validation").text
    tokens = zoo.tokenizer(name, folder=tmp_path).encode(held_out)
    assert len(tokens) < len(held_out) / 2
    report = text_likelihood(model, tokens, context=model.context)
    bits = report.nats_per_token * (len(tokens) - 1) / math.log(2) / len(held_out.encode())
    assert card.metrics["bits_per_byte_docstrings"].value == pytest.approx(bits, abs=1e-4)
    assert bits < 1.0  # of a text that repeats itself


def test_poems(monkeypatch, tmp_path):
    lines = ("春眠不覺曉", "處處聞啼鳥", "夜來風雨聲", "花落知多少")
    dataset = PoemDataset((Poem("", "", lines),) * 40, SOURCE, 0)
    monkeypatch.setattr(poems, "real_quatrains", lambda: (dataset, dataset))
    monkeypatch.setattr(poems, "TANG", shortened(poems.TANG))
    list(train_entries(["tang-quatrains"], folder=tmp_path))

    card = zoo.card("tang-quatrains", folder=tmp_path)
    model = zoo.load("tang-quatrains", folder=tmp_path)
    tokenizer = zoo.tokenizer("tang-quatrains", folder=tmp_path)
    report = sequence_likelihood(model, poems.encode(tokenizer, dataset.poems))
    bits = card.metrics["bits_per_character"].value
    assert bits == pytest.approx(report.bits_per(20 * len(dataset)), abs=1e-3)
    assert bits < 1.0  # there is one poem to learn
    random = torch.Generator().manual_seed(poems.SAMPLE_SEED)
    written = poems.write(model, tokenizer, poems.N_SAMPLES, random)
    scan = sum(poem.is_quatrain for poem in written)
    assert card.metrics["share_that_scans"].value == scan / poems.N_SAMPLES
    copied = [line in lines for poem in written for line in poem.lines]
    share = sum(copied) / len(copied)
    assert card.metrics["share_of_lines_copied"].value == pytest.approx(share, abs=1e-4)
    assert share > 0.2
    assert card.metrics["bits_per_character_of_ngrams"].n_samples == len(dataset)


def test_digits(monkeypatch, tmp_path):
    digits, test = stripes(200, seed=0), stripes(100, seed=1)
    reference = zoo.digit_reference()
    few = dataclasses.replace(
        reference, features=reference.features[:300], labels=reference.labels[:300]
    )
    config = dataclasses.replace(
        pixelcnn.TRAINING,
        n_tokens=100 * pixelcnn.N_PIXELS,
        warmup_tokens=10 * pixelcnn.N_PIXELS,
    )
    small = PixelCNNConfig(n_levels=8, width=4, n_layers=1, n_classes=10)
    for name, value in (
        ("real_mnist", lambda: (digits, test)),
        ("TRAINING", config),
        ("MODEL", small),
        ("N_SAMPLES", 100),
        ("digit_reference", lambda: few),
    ):
        monkeypatch.setattr(pixelcnn, name, value)
    list(train_entries(["mnist-pixelcnn"], folder=tmp_path))

    card = zoo.card("mnist-pixelcnn", folder=tmp_path)
    model = zoo.load("mnist-pixelcnn", folder=tmp_path)
    assert (card.n_seen, card.unit) == (112, "images")  # whole batches
    report = sequence_likelihood(model, (pixelcnn.levels_of(test), test.labels))
    metrics = card.metrics
    assert metrics["nats_per_image"].value == pytest.approx(report.nats_per_sequence, rel=1e-3)
    assert metrics["bits_per_pixel"].value < 3.0  # of eight levels that are alike
    images, labels = pixelcnn.draw(model, 20)
    assert images.shape == (20, 1, 28, 28)
    assert labels.tolist() == [*range(10)] * 2
    assert -1 <= images.min() <= images.max() <= 1
    quality = pixelcnn.sample_quality(model, 100)
    assert quality["class_agreement"] == metrics["class_agreement"]


def test_binarised_digits(monkeypatch, tmp_path):
    digits, test = stripes(200, seed=0), stripes(100, seed=1)
    config = dataclasses.replace(
        pixelcnn.TRAINING,
        n_tokens=100 * pixelcnn.N_PIXELS,
        warmup_tokens=10 * pixelcnn.N_PIXELS,
    )
    for name, value in (
        ("real_mnist", lambda: (digits, test)),
        ("TRAINING", config),
        ("MODEL", PixelCNNConfig(n_levels=2, width=4, n_layers=1)),
    ):
        monkeypatch.setattr(pixelcnn_binary, name, value)
    list(train_entries(["mnist-pixelcnn-binary"], seed=1, folder=tmp_path))

    card = zoo.card("mnist-pixelcnn-binary", folder=tmp_path)
    model = zoo.load("mnist-pixelcnn-binary", folder=tmp_path)
    assert (card.n_seen, card.unit, card.seed) == (112, "images", 1)  # whole batches
    levels = pixelcnn_binary.binarised_test(test)
    assert levels.unique().tolist() == [0, 1]
    nats = sequence_likelihood(model, levels).nats_per_sequence
    assert card.metrics["nats_per_image"].value == pytest.approx(nats, rel=1e-3)
    assert nats < pixelcnn.N_PIXELS * math.log(2)  # better than a coin at every pixel


@pytest.mark.parametrize(
    ("module", "loader", "call"),
    [
        (text, "tiny_shakespeare", "whole_shakespeare"),
        (poems, "tang_poems", "real_quatrains"),
    ],
)
def test_what_stands_in_is_not_enough(module, loader, call, monkeypatch):
    stand_in = {
        "tiny_shakespeare": TEXT,
        "tang_poems": PoemDataset((Poem("", "", ("a",)),), SOURCE, 0),
    }
    monkeypatch.setattr(module, loader, lambda *_: stand_in[loader])
    with pytest.raises(ValueError, match="AIGC_TUTORIAL_DATA"):
        getattr(module, call)()
