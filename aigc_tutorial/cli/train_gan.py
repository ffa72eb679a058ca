"""``aigc-tutorial train gan``: the recipes of :mod:`aigc_tutorial.gan.recipes` on MNIST."""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, cast

import tyro

from aigc_tutorial.cli.parsing import PROGRAM, choose, flags_of, parse_as
from aigc_tutorial.cli.run_options import REQUIRED, UNNAMED, RunOptions, settings_of_run
from aigc_tutorial.cli.runs import begin_run, write_card
from aigc_tutorial.data import mnist, mnist_sample
from aigc_tutorial.gan import GANTrainingConfig, losses
from aigc_tutorial.gan.recipes import MNIST_CONDITIONAL, MNIST_CONV, MNIST_MLP, Recipe

RECIPES = {
    "mnist-conv": (MNIST_CONV, "convolutions: clean digits after two minutes on two cores"),
    "mnist-conditional": (MNIST_CONDITIONAL, "the same, told which digit is wanted"),
    "mnist-mlp": (MNIST_MLP, "fully connected, as the first GAN was"),
}
LOSSES = {
    "relativistic": losses.RELATIVISTIC,
    "non-saturating": losses.NON_SATURATING,
    "minimax": losses.MINIMAX,
    "least-squares": losses.LEAST_SQUARES,
    "hinge": losses.HINGE,
    "wasserstein": losses.WASSERSTEIN,
}
LossName = Literal[
    "relativistic", "non-saturating", "minimax", "least-squares", "hinge", "wasserstein"
]

G = TypeVar("G")
D = TypeVar("D")


@dataclass(frozen=True)
class TrainGAN(Generic[G, D]):
    """Train a GAN on handwritten digits.

    The defaults are those of the recipe. The folder receives run.json, log.csv and the checkpoint
    while it runs, and at the end the averaged generator with its card. Ctrl-C stops after the step
    and saves; the same command goes on.

    Attributes:
        folder: of the run; where it holds a checkpoint of this run, the run goes on from it, and of
            another one, it is refused.
        run_options: what it begins with and runs on.
        training: the game's rates and budget.
        generator: its sizes.
        discriminator: its sizes.
        loss: the game.
        data: mnist is all 60,000 digits; mnist-sample the 5,000 that the pages use.
        recipe: where the defaults come from.
    """

    folder: Path
    run_options: Annotated[RunOptions, tyro.conf.arg(name="")]
    training: Annotated[GANTrainingConfig, tyro.conf.arg(name="")]
    generator: G
    discriminator: D
    loss: LossName = "relativistic"
    data: Literal["mnist", "mnist-sample"] = "mnist"
    recipe: tyro.conf.Suppress[str] = "mnist-conv"

    def run(self) -> None:
        """Train, and write weights and card."""
        recipe, options = self._recipe(), self.run_options
        settings = settings_of_run(
            options,
            recipe=recipe.name,
            loss=recipe.loss.name,
            data=self.data,
            generator=self.generator,
            discriminator=self.discriminator,
            training=self.training,
        )
        engine = options.engine()
        digits = mnist("train") if self.data == "mnist" else mnist_sample()
        begin_run(self.folder, settings)
        if engine.is_main:
            print(f"Training {recipe.name} on {len(digits):,} digits. {digits.source.description}")
        tracker = options.tracker(self.folder, settings)
        try:
            result = recipe.train(
                digits.images,
                labels=digits.labels if self._has_classes else None,
                seed=options.seed,
                engine=engine,
                tracker=tracker,
                progress_bar=sys.stderr.isatty(),
                checkpoint_folder=self.folder,
                checkpoint_every=options.every(self.training.n_images),
            )
        finally:
            tracker.close()
        if not engine.is_main:
            return  # all processes have the same weights
        generator = result.generator.cpu()
        generator.save_pretrained(self.folder)
        card = options.card(
            self.folder,
            title="Draws handwritten digits"
            + (", the one that is asked for" if self._has_classes else ""),
            model=generator,
            recipe=settings,
            data=f"MNIST, {len(digits):,} training images in [-1, 1]"
            + (", with their labels" if self._has_classes else ""),
            data_source=digits.source.description,
            command=self.command(),
            n_seen=result.n_images,
            unit="images",
            seconds=result.seconds,
            engine=engine,
            metrics={},
        )
        write_card(self.folder, card)
        where = shlex.quote(str(self.folder))
        print(
            f"Wrote {self.folder}: {result.n_images:,} images in {result.seconds:.0f} s.\n"
            f"Look:    {PROGRAM} sample {where}\n"
            f"Measure: {PROGRAM} evaluate {where}"
        )

    def command(self) -> str:
        """The command that trains it again: its words are what differs from the recipe."""
        flags = flags_of(self, defaults_of(self.recipe), unnamed=UNNAMED, required=REQUIRED)
        return shlex.join([PROGRAM, "train", "gan", self.recipe, *flags])

    @property
    def _has_classes(self) -> bool:
        return getattr(self.generator, "n_classes", None) is not None

    def _recipe(self) -> Recipe:
        base, _ = RECIPES[self.recipe]
        return dataclasses.replace(
            base,
            generator_config=self.generator,
            discriminator_config=self.discriminator,
            loss=LOSSES[self.loss],
            training=self.training,
        )


def parse_gan(arguments: Sequence[str], examples: Sequence[str]) -> TrainGAN[Any, Any]:
    """Understand what follows ``train gan``."""
    lines = {name: text for name, (_, text) in RECIPES.items()}
    name, others = choose(arguments, lines, command="train gan", what="recipe", examples=examples)
    recipe, _ = RECIPES[name]
    kinds = type(recipe.generator_config), type(recipe.discriminator_config)
    fitting = [line for line in examples if f" {name} " in line] or examples
    return parse_as(
        cast(Any, TrainGAN)[kinds],
        others,
        command=f"train gan {name}",
        examples=fitting,
        default=defaults_of(name),
        required=REQUIRED,
    )


def defaults_of(name: str) -> TrainGAN[Any, Any]:
    """The command of a recipe without a flag but the folder, which has none."""
    recipe, _ = RECIPES[name]
    loss = next(key for key, value in LOSSES.items() if value is recipe.loss)
    return TrainGAN(
        folder=Path(),
        run_options=RunOptions(),
        training=recipe.training,
        generator=recipe.generator_config,
        discriminator=recipe.discriminator_config,
        loss=cast(LossName, loss),
        recipe=name,
    )
