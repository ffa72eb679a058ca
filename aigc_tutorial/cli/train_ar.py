"""``aigc-tutorial train ar``: the recipe of :mod:`aigc_tutorial.ar.recipes` on a text."""

import dataclasses
import hashlib
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from jaxtyping import Int64
from torch import Tensor

from aigc_tutorial.ar import ARTrainingConfig, AutoregressiveModel, TransformerConfig
from aigc_tutorial.ar.recipes import SHAKESPEARE, Recipe
from aigc_tutorial.cli.parsing import PROGRAM, UsageError, choose, flags_of, parse_as
from aigc_tutorial.cli.run_options import REQUIRED, UNNAMED, RunOptions, settings_of_run
from aigc_tutorial.cli.runs import begin_run, write_card
from aigc_tutorial.data import Source, TextDataset, tiny_shakespeare
from aigc_tutorial.evaluation import text_likelihood
from aigc_tutorial.files import expand
from aigc_tutorial.tokenizers import ByteTokenizer, CharacterTokenizer, Tokenizer
from aigc_tutorial.zoo.card import Metric
from aigc_tutorial.zoo.entries import TOKENIZER_NAME
from aigc_tutorial.zoo.training.text import likelihood

TEXT_HASH = "text (SHA-256)"
_VALIDATIONS = 10

RECIPES: dict[str, tuple[Recipe, str]] = {
    "characters": (
        dataclasses.replace(SHAKESPEARE, name="characters"),
        "a token for each character of the text; a minute on two cores",
    ),
    "bytes": (
        dataclasses.replace(
            SHAKESPEARE,
            name="bytes",
            model_config=dataclasses.replace(SHAKESPEARE.model_config, vocab_size=256),
        ),
        "a token for each byte: any text in any language",
    ),
}


@dataclass(frozen=True)
class TrainAR:
    """Train a Transformer to continue a text.

    The defaults are those of the recipe. The last tenth of the text is held out; the weights that
    predict it best are kept, and the card says how well. The folder receives run.json, log.csv and
    the checkpoint while it runs, and at the end model, tokenizer and card. Ctrl-C stops after the
    step and saves; the same command goes on.

    Attributes:
        folder: of the run; where it holds a checkpoint of this run, the run goes on from it, and of
            another one, it is refused.
        run_options: what it begins with and runs on.
        training: rates and budget.
        model: its sizes; the text decides how many tokens there are.
        text: a file in UTF-8; by default tiny Shakespeare.
        recipe: where the defaults come from.
    """

    folder: Path
    run_options: Annotated[RunOptions, tyro.conf.arg(name="")]
    training: Annotated[ARTrainingConfig, tyro.conf.arg(name="")]
    model: TransformerConfig
    text: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    recipe: tyro.conf.Suppress[str] = "characters"

    def run(self) -> None:
        """Train, and write weights, tokenizer and card."""
        options = self.run_options
        text, tokenizer, train, held_out = split_tokens(self.text, self.recipe)
        recipe = self._recipe(tokenizer)
        settings = settings_of_run(
            options,
            recipe=recipe.name,
            text=text.source.location,
            model=recipe.model_config,
            training=self.training,
        )
        context = recipe.model_config.context
        if len(held_out) < 2 or len(train) <= (self.training.context or context):
            raise ValueError(
                f"the text has {len(text):,} characters, of which a tenth is held out; windows of "
                f"{self.training.context or context} tokens need more, or a smaller "
                "--model.context"
            )
        engine = options.engine()
        begin_run(self.folder, settings)
        if engine.is_main:
            print(
                f"Training {recipe.name} on {len(train):,} tokens of {tokenizer.vocab_size} kinds. "
                f"{text.source.description}"
            )
        tracker = options.tracker(self.folder, settings)
        budget = self.training.n_tokens
        try:
            result = recipe.train(
                train,
                seed=options.seed,
                engine=engine,
                tracker=tracker,
                progress_bar=sys.stderr.isatty(),
                validation=partial(held_out_loss, tokens=held_out, context=context),
                validate_every=max(1, budget // _VALIDATIONS),
                checkpoint_folder=self.folder,
                checkpoint_every=options.every(budget),
            )
        finally:
            tracker.close()
        if not engine.is_main:
            return  # all processes have the same weights
        model = result.model.cpu()
        model.save_pretrained(self.folder)
        tokenizer.save(expand(self.folder) / TOKENIZER_NAME)
        what, metrics = metrics_of_text(model, tokenizer, held_out)
        card = options.card(
            self.folder,
            title=f"Continues a text, {what} by {what}",
            model=model,
            recipe=settings | {TEXT_HASH: hash_of_text(text)},
            data=f"the first {len(train):,} tokens of the text",
            data_source=text.source.description,
            command=self.command(),
            n_seen=result.n_tokens,
            unit="tokens",
            seconds=result.seconds,
            engine=engine,
            metrics=metrics,
        )
        write_card(self.folder, card)
        where = shlex.quote(str(self.folder))
        loss = metrics[f"nats_per_{what}"].value
        print(
            f"Wrote {self.folder}: {result.n_tokens:,} tokens in {result.seconds:.0f} s; "
            f"{loss:.3f} nats a {what} on the text held out.\n"
            f"Read:    {PROGRAM} sample {where}\n"
            f"Measure: {PROGRAM} evaluate {where}"
        )

    def command(self) -> str:
        """The command that trains it again: its words are what differs from the recipe."""
        flags = flags_of(self, defaults_of(self.recipe), unnamed=UNNAMED, required=REQUIRED)
        return shlex.join([PROGRAM, "train", "ar", self.recipe, *flags])

    def _recipe(self, tokenizer: Tokenizer) -> Recipe:
        base, _ = RECIPES[self.recipe]
        asked, usual = self.model.vocab_size, base.model_config.vocab_size
        if asked not in (usual, tokenizer.vocab_size):
            raise UsageError(
                f"the text decides how many tokens there are, {tokenizer.vocab_size}; leave "
                "--model.vocab-size away"
            )
        model = dataclasses.replace(self.model, vocab_size=tokenizer.vocab_size)
        return dataclasses.replace(base, model_config=model, training=self.training)


def split_tokens(
    path: Path | None, recipe: str
) -> tuple[TextDataset, Tokenizer, Int64[Tensor, " N"], Int64[Tensor, " M"]]:
    """A text, its tokenizer, and the tokens of its first nine tenths and of the last one.

    Args:
        path: of the text; None for tiny Shakespeare.
        recipe: name of the recipe, which decides what a token is.
    """
    text = tiny_shakespeare("all") if path is None else read_text(path)
    tokenizer: Tokenizer = (
        ByteTokenizer() if recipe == "bytes" else CharacterTokenizer.from_text(text.text)
    )
    train, held_out = (tokenizer.encode(text.split(part).text) for part in ("train", "validation"))
    return text, tokenizer, train, held_out


def hash_of_text(text: TextDataset) -> str:
    """What tells a text from others."""
    return hashlib.sha256(text.text.encode()).hexdigest()


def held_out_loss(
    model: AutoregressiveModel, *, tokens: Int64[Tensor, " N"], context: int
) -> float:
    """Mean loss on a text that the model does not learn from, in nats per token."""
    return text_likelihood(model, tokens, context=context).nats_per_token


def metrics_of_text(
    model: AutoregressiveModel, tokenizer: Tokenizer, held_out: Int64[Tensor, " N"]
) -> tuple[str, dict[str, Metric]]:
    """What a token is, and how well the last tenth of a text is predicted."""
    what = "byte" if isinstance(tokenizer, ByteTokenizer) else "character"
    return what, likelihood(model, held_out, what=what, of="the text's last 10 %")


def read_text(path: Path) -> TextDataset:
    """Read a reader's own text.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not UTF-8.
    """
    place = expand(path)
    if not place.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        text = place.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8 (byte {error.start:,} is none of it); convert it first, "
            f"by iconv say"
        ) from error
    return TextDataset(text, Source("folder", str(place.absolute()), f"Read from {path}."))


def parse_ar(arguments: Sequence[str], examples: Sequence[str]) -> TrainAR:
    """Understand what follows ``train ar``."""
    lines = {name: text for name, (_, text) in RECIPES.items()}
    name, others = choose(arguments, lines, command="train ar", what="recipe", examples=examples)
    fitting = [line for line in examples if f" {name} " in line] or examples
    return parse_as(
        TrainAR,
        others,
        command=f"train ar {name}",
        examples=fitting,
        default=defaults_of(name),
        required=REQUIRED,
    )


def defaults_of(name: str) -> TrainAR:
    """The command of a recipe without a flag; the folder has none."""
    recipe, _ = RECIPES[name]
    model: Any = recipe.model_config
    return TrainAR(Path(), RunOptions(), recipe.training, model, recipe=name)
