"""Models and training that were found, by measurement, to belong together.

What was tried on the way and did not help is written down in ``benchmarks/results/ar_search.md``.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aigc_tutorial.ar.base import AutoregressiveModel
from aigc_tutorial.ar.models.transformer import Transformer, TransformerConfig
from aigc_tutorial.ar.trainer import ARTrainingConfig, ARTrainingResult, train
from aigc_tutorial.config import Config
from aigc_tutorial.integers import as_count
from aigc_tutorial.nn import seeded_weights


@dataclass(frozen=True)
class Recipe(Config):
    """Everything that decides a training run but the data and the seed.

    Attributes:
        name: short, for tables and file names.
        model_class: built from ``model_config``.
        model_config: its sizes.
        training: how it is trained; ``n_tokens`` is the default budget.
    """

    name: str
    model_class: type[AutoregressiveModel]
    model_config: Any
    training: ARTrainingConfig

    def __post_init__(self) -> None:
        """Check that the model's configuration is one of its class.

        Raises:
            TypeError: if a setting has another type than the class needs.
        """
        super().__post_init__()
        self.require_instance("model_config", self.model_class.config_class)

    def model(self, *, vocab_size: int | None = None, seed: int = 0) -> AutoregressiveModel:
        """Build the model on torch's default device.

        The seed decides its weights, the same on every device, and touches no global state.

        Args:
            vocab_size: V, if the text at hand has other tokens than the recipe's.
            seed: of the weights.
        """
        config = self.model_config
        if vocab_size is not None:
            config = dataclasses.replace(config, vocab_size=vocab_size)
        with seeded_weights(as_count(seed, "seed", at_least=0)):
            model = self.model_class(config)
        return model.to(torch.get_default_device())

    def train(
        self,
        tokens: Tensor | tuple[Tensor, ...],
        *,
        n_tokens: int | None = None,
        vocab_size: int | None = None,
        seed: int = 0,
        **options: Any,
    ) -> ARTrainingResult[AutoregressiveModel]:
        """Build the model and train it.

        Args:
            tokens: a long text (N,), or rows of tokens and what belongs to them.
            n_tokens: budget in predicted tokens; by default the recipe's.
            vocab_size: V, if the text at hand has other tokens than the recipe's.
            seed: decides weights and order of the data.
            **options: see :func:`aigc_tutorial.ar.trainer.train`.

        Raises:
            TypeError: if another configuration is given: the recipe has its own.
        """
        if "config" in options:
            raise TypeError(
                "a recipe trains by its own configuration; of another one make another recipe: "
                "dataclasses.replace(recipe, training=config)"
            )
        config = self.training
        if n_tokens is not None:
            config = dataclasses.replace(config, n_tokens=n_tokens)
        model = self.model(vocab_size=vocab_size, seed=seed)
        return train(model, tokens, config=config, seed=seed, **options)


SHAKESPEARE = Recipe(
    name="shakespeare-characters",
    model_class=Transformer,
    model_config=TransformerConfig(vocab_size=65, token_shift=3),
    training=ARTrainingConfig(),
)
"""Characters of tiny Shakespeare, at the size of nanoGPT's small model; a minute on two cores."""
