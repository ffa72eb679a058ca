"""``aigc-tutorial search characters`` and ``bytes``: better settings for a text."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from aigc_tutorial.ar.recipes import Recipe
from aigc_tutorial.cli.searching import SearchOptions, find, tell
from aigc_tutorial.cli.train_ar import RECIPES, TEXT_HASH, hash_of_text, held_out_loss, split_tokens
from aigc_tutorial.integers import as_count
from aigc_tutorial.training.validation import Validation

SPACE = (
    "training.learning_rate_matrices=log:0.003..0.05",
    "training.learning_rate_others=log:0.002..0.03",
)


@dataclass(frozen=True)
class SearchAR:
    """Try settings of a recipe on a text, and keep those that predict its last tenth best.

    Each trial trains a model of its own; one that does worse than half of the others on the way is
    ended. What was chosen by a text is better on it than on any other. After Ctrl-C, or a kill, the
    same command goes on; given twice at the same time, both work on one search.

    Settings are training.batch_size and the like, of the model model_config.width.

    Attributes:
        folder: where the trials are kept.
        options: what is tried, and how often.
        n_tokens: budget of a trial, in predicted tokens.
        text: a file in UTF-8; by default tiny Shakespeare.
        recipe: where the other settings come from.
    """

    folder: Path
    options: Annotated[SearchOptions, tyro.conf.arg(name="")]
    n_tokens: int = 100_000
    text: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    recipe: tyro.conf.Suppress[str] = "characters"

    def __post_init__(self) -> None:
        """Check the budget."""
        as_count(self.n_tokens, "--n-tokens")

    def run(self) -> None:
        """Search, and say what was found."""
        text, tokenizer, train, held_out = split_tokens(self.text, self.recipe)
        recipe, _ = RECIPES[self.recipe]
        recipe = dataclasses.replace(
            recipe,
            model_config=dataclasses.replace(recipe.model_config, vocab_size=tokenizer.vocab_size),
            training=dataclasses.replace(recipe.training, n_tokens=self.n_tokens),
        )
        engine, seed = self.options.engine(), self.options.seed

        def trial(
            recipe: Recipe, reporting: Callable[[Validation], Validation], every: int
        ) -> float:
            validation = partial(
                held_out_loss, tokens=held_out, context=recipe.model_config.context
            )
            result = recipe.train(
                train,
                seed=seed,
                engine=engine,
                validation=reporting(validation),
                validate_every=every,
                progress_bar=False,
            )
            return min(result.validation["nll"])

        found = find(
            trial,
            recipe,
            self.options,
            folder=self.folder,
            settings=self.options.settings(
                self.recipe,
                n_tokens=self.n_tokens,
                **{TEXT_HASH: hash_of_text(text)},
            ),
            budget=self.n_tokens,
        )
        words = ["train", "ar", self.recipe]
        words += [] if self.text is None else ["--text", str(self.text)]
        tell(found, "nats a token on the text held out", words, RECIPES[self.recipe][0])


def defaults_of(name: str) -> SearchAR:
    """The command of a recipe without a flag; the folder has none."""
    return SearchAR(Path(), SearchOptions(SPACE), recipe=name)
