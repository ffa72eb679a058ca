"""Small models to serve, and models with a fault."""

from dataclasses import dataclass
from typing import Any

import torch

from aigc_tutorial.ar import NGramConfig, NGramModel, PixelCNN, PixelCNNConfig
from aigc_tutorial.ar.models.transformer import Transformer, TransformerConfig
from aigc_tutorial.deploy.service import ImageModel, TextModel
from aigc_tutorial.gan import ConvGenerator, ConvGeneratorConfig
from aigc_tutorial.tokenizers import ByteTokenizer, Tokenizer
from tests.ar.checks import randomize

CONTEXT = 16
BYTES = ByteTokenizer()


def writer(tokenizer: Tokenizer = BYTES, *, scale: float = 0.3) -> TextModel:
    """A Transformer with random weights."""
    config = TransformerConfig(
        tokenizer.vocab_size, context=CONTEXT, n_layers=2, n_heads=2, width=16, token_shift=2
    )
    return TextModel(randomize(Transformer(config), scale=scale), tokenizer)


def broken_writer() -> TextModel:
    """One whose logits are not numbers after the token 33, an exclamation mark."""
    served = writer()
    with torch.no_grad():
        served.model.get_parameter("embedding.weight")[33] = torch.nan
    return served


def parrot(text: str, tokenizer: Tokenizer = BYTES) -> TextModel:
    """One that goes on with a text that it has learned by heart, round and round."""
    tokens = tokenizer.encode(text)
    model = NGramModel(NGramConfig(tokenizer.vocab_size, order=6, discount=1e-6))
    return TextModel(model.fit(tokens.repeat(3)), tokenizer)


def painter(n_classes: int | None = 10) -> ImageModel:
    """A PixelCNN of images of 5 rows and 4 columns, with random weights."""
    config = PixelCNNConfig(
        image_shape=(5, 4), n_levels=3, width=4, n_layers=1, kernel_size=3, first_kernel_size=3,
        n_classes=n_classes,
    )  # fmt: skip
    return ImageModel(randomize(PixelCNN(config), scale=1.0))


def generator(n_classes: int | None = None) -> ImageModel:
    """A GAN's generator of images of 8 by 8, with random weights."""
    config = ConvGeneratorConfig(4, (1, 8, 8), (8, 4), n_classes=n_classes)
    return ImageModel(randomize(ConvGenerator(config)))


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def written(answers: Any) -> str:
    """The text of some steps."""
    return "".join(step.text for _, step in answers)
