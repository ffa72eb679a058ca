"""The zoo's autoregressive models: their tokenizers, their samples, and their cards' numbers."""

import math
import os
import shutil
import sys

import pytest
import torch

from aigc_tutorial import ar, tokenizers, zoo
from aigc_tutorial.data import mnist, python_documentation, tang_poems, tiny_shakespeare
from aigc_tutorial.data.batches.levels import dequantise
from aigc_tutorial.evaluation import (
    LikelihoodReport,
    predict,
    sequence_likelihood,
    text_likelihood,
)
from aigc_tutorial.zoo.entries import WEIGHTS_FOLDER
from aigc_tutorial.zoo.training import pixelcnn, pixelcnn_binary, poems

TEXT_MODELS = ("english-bytes", "english-subwords", "shakespeare-characters", "tang-quatrains")

needs_data = pytest.mark.skipif(
    "AIGC_TUTORIAL_DATA" not in os.environ,
    reason="needs the held-out data: set AIGC_TUTORIAL_DATA to a folder with MNIST/raw, text, tang",
)

# From the last 10 % of tiny Shakespeare, which no model was trained on.
VERSE = """You wrong me, Signior Gremio: give me leave.
I am a gentleman of Verona, sir,
That, hearing of her beauty and her wit,
Her affability and bashful modesty,
"""


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def nats(model: ar.Transformer, tokens: torch.Tensor) -> float:
    return text_likelihood(model, tokens, context=model.config.context).nats_per_token


def every_kth_window(model: ar.Transformer, tokens: torch.Tensor, k: int) -> LikelihoodReport:
    """A part of what a card's likelihood was measured on, from all over the text."""
    context = model.config.context
    windows = tokens.unfold(0, context + 1, context)
    return sequence_likelihood(model, windows[::k])


class TestTokenizers:
    """What stands beside the weights of a model of text."""

    @pytest.mark.parametrize("name", TEXT_MODELS)
    def test_fits_its_model(self, name):
        tokenizer = zoo.tokenizer(name)
        assert tokenizer.vocab_size == zoo.load(name).vocab_size

    def test_round_trip(self):
        for name, text in (
            ("english-bytes", "Größe: 5 µm\n"),
            ("english-subwords", "Größe: 5 µm, the same 好\n"),
            ("shakespeare-characters", VERSE),
            ("tang-quatrains", "牀前看月光\n疑是地上霜"),
        ):
            tokenizer = zoo.tokenizer(name)
            assert tokenizer.decode(tokenizer.encode(text)) == text

    def test_unknown_name(self):
        with pytest.raises(KeyError, match="no 'mnist-dreamer'; it has"):
            zoo.tokenizer("mnist-dreamer")

    def test_model_of_images_has_none(self):
        with pytest.raises(ValueError, match="mnist-pixelcnn is a PixelCNN, which reads no text"):
            zoo.tokenizer("mnist-pixelcnn")

    def test_missing_file(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"tokenizer\.json.*aigc-tutorial zoo train tang-quatrains"
        ):
            zoo.tokenizer("tang-quatrains", folder=tmp_path)

    @pytest.mark.parametrize("content", ["{", "[]", "{}", '{"kind": "byte", "size": 3}'])
    def test_damaged_file(self, tmp_path, content):
        shutil.copytree(WEIGHTS_FOLDER / "english-bytes", tmp_path / "english-bytes")
        (tmp_path / "english-bytes" / "tokenizer.json").write_text(content)
        with pytest.raises(ValueError, match=r"tokenizer\.json is damaged.*Reinstall"):
            zoo.tokenizer("english-bytes", folder=tmp_path)

    def test_must_fit_to_be_saved(self, tmp_path):
        name = "english-bytes"
        model, card = zoo.load(name), zoo.card(name)
        for tokenizer in (None, tokenizers.CharacterTokenizer("abc")):
            with pytest.raises(ValueError, match="vocabulary of 256, its tokenizer of"):
                zoo.save_entry(name, model, card, tokenizer=tokenizer, folder=tmp_path)
        entry = zoo.save_entry(
            name, model, card, tokenizer=zoo.tokenizer(name), folder=tmp_path / "zoo"
        )
        assert (entry / "tokenizer.json").is_file()
        assert zoo.tokenizer(name, folder=tmp_path / "zoo") == zoo.tokenizer(name)


class TestText:
    """Models of English."""

    @pytest.mark.parametrize("name", ["english-bytes", "shakespeare-characters"])
    def test_writes_on(self, name):
        model, tokenizer = zoo.load(name), zoo.tokenizer(name)
        pieces = ar.stream_text(model, tokenizer, "QUEEN:\n", max_new_tokens=300, rng=seeded())
        text = "".join(pieces)
        assert len(text) > 250
        # Lines of verse or of speech: neither a single line nor letters apart.
        assert 3 <= text.count("\n") <= 60
        assert 0.1 < text.count(" ") / len(text) < 0.3

    @pytest.mark.parametrize("name", ["english-bytes", "shakespeare-characters"])
    def test_finds_verse_likelier_than_its_shuffled_letters(self, name):
        model, tokenizer = zoo.load(name), zoo.tokenizer(name)
        tokens = tokenizer.encode(VERSE)
        shuffled = tokens[torch.randperm(len(tokens), generator=seeded())]
        assert nats(model, tokens) < 2.0
        assert nats(model, shuffled) > 3.0

    def test_pieces_of_words_are_few(self):
        """A model that reads pieces of words reads more text in its context of 128."""
        tokenizer = zoo.tokenizer("english-subwords")
        text = "The function returns the number of elements that are not equal to zero."
        assert 4.5 < len(text) / len(tokenizer.encode(text)) < 7
        assert len(VERSE) / len(tokenizer.encode(VERSE)) > 2

    def test_subwords_know_a_sentence_from_its_words_in_another_order(self):
        """Of technical English, in nats per byte, which needs more than the words' frequencies."""
        model, tokenizer = zoo.load("english-subwords"), zoo.tokenizer("english-subwords")
        sentence = (
            "The second argument is the name of the file, and if it is not given, the default "
            "encoding of the platform is used to open it for reading."
        )
        words = sentence.split()
        order = torch.randperm(len(words), generator=seeded()).tolist()
        per_byte = []
        for text in (sentence, " ".join(words[i] for i in order)):
            tokens = tokenizer.encode(text)
            per_byte.append(nats(model, tokens) * (len(tokens) - 1) / len(text))
        assert per_byte[0] < 0.75
        assert per_byte[1] > per_byte[0] + 0.4

    @needs_data
    def test_subwords_card_on_a_part_of_the_held_out_text(self):
        name = "english-subwords"
        model, metric = zoo.load(name), zoo.card(name).metrics["bits_per_byte_shakespeare"]
        text = tiny_shakespeare("validation", offline=True).text
        tokens = zoo.tokenizer(name).encode(text)
        assert metric.n_samples == len(tokens) - 1
        report = every_kth_window(model, tokens, 10)
        to_bits_per_byte = len(tokens) / math.log(2) / len(text.encode())
        assert report.nats_per_token * to_bits_per_byte == pytest.approx(
            metric.value, abs=4 * report.standard_error * to_bits_per_byte
        )

    @needs_data
    def test_shakespeare_card_on_a_part_of_the_held_out_text(self):
        name = "shakespeare-characters"
        model, metrics = zoo.load(name), zoo.card(name).metrics
        text = tiny_shakespeare("validation", offline=True).text
        tokens = zoo.tokenizer(name).encode(text)
        assert metrics["nats_per_character"].n_samples == len(tokens) - 1
        report = every_kth_window(model, tokens, 10)
        assert report.nats_per_token == pytest.approx(
            metrics["nats_per_character"].value, abs=4 * report.standard_error
        )

    @pytest.mark.skipif(
        sys.version_info[:2] != (3, 11), reason="the card speaks of Python 3.11's documentation"
    )
    def test_english_card_on_a_part_of_the_documentation(self):
        name = "english-bytes"
        model, metric = zoo.load(name), zoo.card(name).metrics["nats_per_byte_documentation"]
        tokens = zoo.tokenizer(name).encode(python_documentation("validation").text)
        assert metric.n_samples == len(tokens) - 1
        report = every_kth_window(model, tokens, 4)
        assert report.nats_per_token == pytest.approx(metric.value, abs=4 * report.standard_error)


class TestPoems:
    """The model of quatrains."""

    def test_card_on_fewer_samples(self):
        model, tokenizer = zoo.load("tang-quatrains"), zoo.tokenizer("tang-quatrains")
        metrics = zoo.card("tang-quatrains").metrics
        n = 100
        written = poems.write(model, tokenizer, n, seeded())
        expected = metrics["share_that_scans"].value
        measured = sum(poem.is_quatrain for poem in written) / n
        assert measured == pytest.approx(expected, abs=4 * (expected * (1 - expected) / n) ** 0.5)
        assert expected > 10 * metrics["share_that_scans_of_ngrams"].value
        assert len({poem.text for poem in written}) == n

    @needs_data
    def test_card_on_held_out_poems(self):
        model, tokenizer = zoo.load("tang-quatrains"), zoo.tokenizer("tang-quatrains")
        metric = zoo.card("tang-quatrains").metrics["bits_per_character"]
        held_out = tang_poems("validation", offline=True)
        assert metric.n_samples == len(held_out)
        report = sequence_likelihood(model, poems.encode(tokenizer, held_out.poems))
        n_characters = sum(len(line) for poem in held_out.poems for line in poem.lines)
        assert report.bits_per(n_characters) == pytest.approx(metric.value, rel=1e-3)


class TestPixelCNN:
    """The model of digits."""

    def test_draws_what_is_asked_for(self):
        model, metrics = zoo.load("mnist-pixelcnn"), zoo.card("mnist-pixelcnn").metrics
        labels = torch.arange(100) % 10
        levels = model.sample(100, labels, rng=seeded())
        images = dequantise(levels, model.config.n_levels).unsqueeze(1)
        named = predict(zoo.load("mnist-classifier"), images).labels
        expected = metrics["class_agreement"].value
        agreement = (named == labels).double().mean().item()
        assert agreement == pytest.approx(
            expected, abs=4 * (expected * (1 - expected) / 100) ** 0.5
        )

    @needs_data
    def test_likelihood_of_some_test_digits(self):
        model = zoo.load("mnist-pixelcnn")
        metric = zoo.card("mnist-pixelcnn").metrics["bits_per_pixel"]
        test = mnist("test", offline=True)
        assert metric.n_samples == len(test)
        some = torch.randperm(len(test), generator=seeded())[:300]
        report = sequence_likelihood(
            model, (pixelcnn.levels_of(test)[some], test.labels[some]), batch_size=100
        )
        assert report.bits_per_token == pytest.approx(metric.value, rel=0.1)

    @needs_data
    def test_likelihood_of_some_black_and_white_digits(self):
        model = zoo.load("mnist-pixelcnn-binary")
        metric = zoo.card("mnist-pixelcnn-binary").metrics["nats_per_image"]
        levels = pixelcnn_binary.binarised_test(mnist("test", offline=True))
        assert metric.n_samples == len(levels)
        some = torch.randperm(len(levels), generator=seeded())[:300]
        report = sequence_likelihood(model, levels[some], batch_size=100)
        assert report.nats_per_sequence == pytest.approx(metric.value, rel=0.1)
