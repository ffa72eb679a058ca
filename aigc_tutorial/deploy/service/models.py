"""What the service serves: models by name, each with what it needs to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aigc_tutorial import zoo
from aigc_tutorial.ar.interface import PixelModel, SequenceModel
from aigc_tutorial.gan import Generator
from aigc_tutorial.tokenizers import Tokenizer


@dataclass(frozen=True)
class TextModel:
    """A model of text with the tokenizer that it was trained with.

    Attributes:
        model: writes.
        tokenizer: makes tokens of a prompt, and text of tokens.
    """

    model: SequenceModel
    tokenizer: Tokenizer

    def __post_init__(self) -> None:
        """Check that the two belong together."""
        if self.model.vocab_size != self.tokenizer.vocab_size:
            raise ValueError(
                f"the model has {self.model.vocab_size} tokens and the tokenizer "
                f"{self.tokenizer.vocab_size}; give the tokenizer that the model was trained with"
            )


@dataclass(frozen=True)
class ImageModel:
    """A model of digits.

    Attributes:
        model: draws.
    """

    model: Generator | PixelModel

    def __post_init__(self) -> None:
        """Check that its images are grey.

        Raises:
            ValueError: if it makes vectors, or images of several channels, of which one alone would
                be sent.
        """
        shape = tuple(self.model.config.image_shape)
        if len(shape) < 2 or shape[:-2] not in ((), (1,)):
            raise ValueError(
                f"what the model makes has the shape {shape}, and grey images of one channel are "
                "served here; give a model of those"
            )

    @property
    def n_classes(self) -> int | None:
        """How many digits can be asked for; None if they come as they come."""
        n_classes: int | None = getattr(self.model.config, "n_classes", None)
        return n_classes

    @property
    def size(self) -> str:
        """Width and height as OpenAI's API writes them: "28x28"."""
        height, width = self.model.config.image_shape[-2:]
        return f"{width}x{height}"


Served = TextModel | ImageModel
Models = Mapping[str, Served]


def from_zoo(names: Sequence[str], device: str = "cpu") -> dict[str, Served]:
    """Load models of the zoo.

    Args:
        names: of :func:`aigc_tutorial.zoo.names`.
        device: where to put the weights.

    Raises:
        KeyError: if the zoo has no model of a name.
        ValueError: if a model writes and draws nothing, as a classifier.
    """
    return {name: _served(name, zoo.load(name, device)) for name in names}


def _served(name: str, model: Any) -> Served:
    if isinstance(model, SequenceModel):
        return TextModel(model, zoo.tokenizer(name))
    if isinstance(model, Generator | PixelModel):
        return ImageModel(model)
    raise ValueError(
        f"{name} is a {type(model).__name__}, which neither writes nor draws; leave it out"
    )
