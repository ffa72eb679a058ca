"""``aigc-tutorial search mnist-conv`` and its siblings: better settings for a GAN."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from aigc_tutorial import zoo
from aigc_tutorial.cli.searching import SearchOptions, find, tell
from aigc_tutorial.cli.train_gan import RECIPES
from aigc_tutorial.data import mnist, mnist_sample
from aigc_tutorial.evaluation import DigitReference
from aigc_tutorial.gan import digit_distance
from aigc_tutorial.gan.recipes import Recipe
from aigc_tutorial.integers import as_count
from aigc_tutorial.training.validation import Validation

SPACE = (
    "training.learning_rate_generator=log:0.001..0.02",
    "training.learning_rate_discriminator=log:0.0005..0.01",
    "training.r1_gamma=log:0.03..3.0",
)
_HELD_OUT = 5  # one of so many digits


@dataclass(frozen=True)
class SearchGAN:
    """Try settings of a GAN's recipe, and keep those whose digits are nearest to real ones.

    The losses of a GAN say nothing of its samples. A trial is chosen by the Fréchet distance of
    its samples, 2,000 of them, from the last fifth of the training digits, which no trial learns
    from; with classes by the mean distance within each. Test digits are looked at by `evaluate`
    alone. A trial that does worse than half of the others on the way is ended. What was chosen by
    some digits is better on them than on any other. After Ctrl-C, or a kill, the same command goes
    on; given twice at the same time, both work on one search.

    Settings are training.batch_size and the like, of the networks generator_config.latent_dim and
    those of discriminator_config.

    Attributes:
        folder: where the trials are kept.
        options: what is tried, and how often.
        n_images: budget of a trial, in real images.
        data: mnist is all 60,000 digits; mnist-sample the 5,000 that the pages use.
        recipe: where the other settings come from.
    """

    folder: Path
    options: Annotated[SearchOptions, tyro.conf.arg(name="")]
    n_images: int = 20_000
    data: Literal["mnist", "mnist-sample"] = "mnist"
    recipe: tyro.conf.Suppress[str] = "mnist-conv"

    def __post_init__(self) -> None:
        """Check the budget."""
        as_count(self.n_images, "--n-images")

    def run(self) -> None:
        """Search, and say what was found."""
        recipe, _ = RECIPES[self.recipe]
        recipe = dataclasses.replace(
            recipe, training=dataclasses.replace(recipe.training, n_images=self.n_images)
        )
        digits = mnist("train") if self.data == "mnist" else mnist_sample()
        n_train = len(digits) - len(digits) // _HELD_OUT
        classifier = zoo.load("mnist-classifier")
        reference = DigitReference.from_images(
            classifier, digits.images[n_train:], digits.labels[n_train:]
        )
        has_classes = getattr(recipe.generator_config, "n_classes", None) is not None
        engine, seed = self.options.engine(), self.options.seed

        def trial(
            recipe: Recipe, reporting: Callable[[Validation], Validation], every: int
        ) -> float:
            validation = partial(digit_distance, classifier=classifier, reference=reference)
            result = recipe.train(
                digits.images[:n_train],
                labels=digits.labels[:n_train] if has_classes else None,
                seed=seed,
                engine=engine,
                validation=reporting(validation),
                validate_every=every,
                progress_bar=False,
            )
            return result.validation["loss"][-1]

        found = find(
            trial,
            recipe,
            self.options,
            folder=self.folder,
            settings=self.options.settings(
                self.recipe, n_images=self.n_images, data=self.data, digits=len(digits)
            ),
            budget=self.n_images,
        )
        words = ["train", "gan", self.recipe]
        words += [] if self.data == "mnist" else ["--data", self.data]
        unit = f"from the {len(reference):,} digits held out"
        tell(found, unit, words, RECIPES[self.recipe][0])


def defaults_of(name: str) -> SearchGAN:
    """The command of a recipe without a flag; the folder has none."""
    return SearchGAN(Path(), SearchOptions(SPACE), recipe=name)
