"""``aigc-tutorial evaluate``: the numbers of a card, measured anew."""

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import tyro

from aigc_tutorial import ar, evaluation, gan
from aigc_tutorial.cli.parsing import UsageError, parse_as
from aigc_tutorial.cli.runs import Found, find_model, write_card
from aigc_tutorial.cli.train_ar import TEXT_HASH, hash_of_text, metrics_of_text, read_text
from aigc_tutorial.data import python_documentation, tiny_shakespeare
from aigc_tutorial.evaluation import accuracy
from aigc_tutorial.integers import as_count
from aigc_tutorial.tokenizers import ByteTokenizer, CharacterTokenizer
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.training import gan as of_gans
from aigc_tutorial.zoo.training import pixelcnn, pixelcnn_binary, poems, subwords, text
from aigc_tutorial.zoo.training.making import real_mnist

EXAMPLES = (
    "aigc-tutorial evaluate mnist-conv-gan",
    "aigc-tutorial evaluate shakespeare-characters",
    "aigc-tutorial evaluate runs/gan --n-samples 2000",
)


@dataclass(frozen=True)
class Evaluate:
    """Measure a model as its card says: each number with its protocol.

    A generator of digits is compared with MNIST's 10,000 test digits, in the features of the zoo's
    classifier; a model of text is asked how probable a text is that it has not learned from. For a
    model of the zoo the card's number stands beside; the card of a run of yours is written anew.

    Attributes:
        model: a name of the zoo, or the folder of a run of yours.
        n_samples: digits or poems to draw; numbers of different n cannot be compared. By default as
            many as the cards have.
        device: where to compute; by default the CPU.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    n_samples: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        """Check the number."""
        if self.n_samples is not None:
            as_count(self.n_samples, "--n-samples")

    def run(self) -> None:
        """Measure, print, and write the card of a run."""
        found = find_model(self.model, device=self.device)
        metrics = measure(found, self.n_samples)
        known = found.card.metrics if found.folder is None else {}
        width = max(map(len, metrics))
        for name, metric in metrics.items():
            beside = f"   card: {known[name].value:.5g}" if name in known else ""
            label = name.replace("_", " ")
            print(f"{label:<{width}}  {metric.value:<10.5g}{beside}".rstrip())
        for protocol in dict.fromkeys(metric.protocol for metric in metrics.values()):
            print(f"\n{protocol} ({_n_samples(metrics, protocol):,} samples)")
        if found.folder is not None:
            write_card(found.folder, dataclasses.replace(found.card, metrics=metrics))
            print(f"\nWrote {found.folder / 'card.json'}")


def measure(found: Found, n_samples: int | None) -> dict[str, Metric]:
    """Measure a model by what its kind is measured by.

    Args:
        found: the model and what belongs to it.
        n_samples: how many to draw, where something is drawn; None for as many as the cards have.

    Raises:
        ValueError: if the data are not here that the model is measured on.
        UsageError: if nothing is known to measure it by.
    """
    model, name = found.model, found.card.name
    if isinstance(model, gan.Generator):
        return digits_of_generator(model, n_samples or of_gans.N_SAMPLES)
    if isinstance(model, evaluation.DigitClassifier):
        _, test = real_mnist()
        share = accuracy(model, test.images, test.labels)
        protocol = "share of MNIST's test digits named rightly"
        return {"accuracy_test": Metric(share, len(test), protocol)}
    if isinstance(model, ar.PixelCNN):
        _, test = real_mnist()
        if name == pixelcnn_binary.NAME:
            return pixelcnn_binary.likelihood(model, test)
        found_likelihood = pixelcnn.likelihood(model, test)
        return found_likelihood | pixelcnn.sample_quality(model, n_samples or pixelcnn.N_SAMPLES)
    if n_samples is not None and name != poems.TANG.name:
        raise UsageError(f"{name} is measured on a whole text: --n-samples is of other models")
    return likelihood_of_text(found, n_samples)


def digits_of_generator(model: gan.Generator, n_samples: int) -> dict[str, Metric]:
    """How near a generator's digits are to real ones, and whether they are those asked for."""
    if tuple(model.image_shape) != (1, 28, 28):
        raise UsageError(
            f"digits of 28 × 28 pixels are measured, and this model draws {model.image_shape}"
        )
    labels = None if model.n_classes is None else torch.arange(n_samples) % 10
    rng = torch.Generator().manual_seed(of_gans.SAMPLE_SEED)
    samples = model.sample(n_samples, labels, rng=rng).cpu()
    metrics = of_gans.quality(samples, labels)
    return metrics if labels is None else metrics | of_gans.of_classes(samples, labels)


def likelihood_of_text(found: Found, n_samples: int | None) -> dict[str, Metric]:
    """How probable a model finds the text that was held out when it was trained."""
    model, tokenizer = found.model, found.tokenizer
    assert tokenizer is not None
    if found.folder is None and found.card.name == poems.TANG.name:
        assert isinstance(tokenizer, CharacterTokenizer)
        data = poems.real_quatrains()
        return poems.measure(model, tokenizer, *data, n_samples=n_samples or poems.N_SAMPLES)
    if found.folder is None and found.card.name == subwords.ENGLISH_SUBWORDS.name:
        return subwords.measure(model, tokenizer, subwords.read_texts())
    if found.folder is None:
        plays = text.whole_shakespeare().split("validation").text
        tokens = tokenizer.encode(plays)
        of = "tiny Shakespeare's last 10 %"
        if not isinstance(tokenizer, ByteTokenizer):
            return text.likelihood(model, tokens, what="character", of=of)
        documentation = tokenizer.encode(python_documentation("validation").text)
        of_documentation = "the documentation's last 10 %"
        parts = {
            "documentation": text.likelihood(
                model, documentation, what="byte", of=of_documentation
            ),
            "shakespeare": text.likelihood(model, tokens, what="byte", of=of),
        }
        return {f"{k}_{part}": m for part, ms in parts.items() for k, m in ms.items()}
    recipe = found.card.recipe
    is_own = "--text" in shlex.split(found.card.command)
    whole = read_text(Path(recipe["text"])) if is_own else tiny_shakespeare("all")
    if recipe.get(TEXT_HASH, hash_of_text(whole)) != hash_of_text(whole):
        raise ValueError(
            f"{recipe['text']} is another text now than the one that {found.folder} has learned "
            "from, and its last tenth may be known to the model; put the text of then there"
        )
    held_out = tokenizer.encode(whole.split("validation").text)
    _, metrics = metrics_of_text(model, tokenizer, held_out)
    return metrics


def parse(arguments: Sequence[str]) -> Evaluate:
    """Understand what follows ``evaluate``."""
    return parse_as(Evaluate, arguments, command="evaluate", examples=EXAMPLES)


def _n_samples(metrics: dict[str, Metric], protocol: str) -> int:
    return next(metric.n_samples for metric in metrics.values() if metric.protocol == protocol)
