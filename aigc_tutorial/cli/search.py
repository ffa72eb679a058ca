"""``aigc-tutorial search``: better settings of a recipe for a text, by trying."""

import dataclasses
import hashlib
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from aigc_tutorial import adaptation
from aigc_tutorial.adaptation import Choice, Integers, LogUniform, Parameter, Uniform
from aigc_tutorial.ar.recipes import Recipe
from aigc_tutorial.cli.parsing import PROGRAM, check_seed, choose, parse_as
from aigc_tutorial.cli.runs import begin_run
from aigc_tutorial.cli.train_ar import RECIPES, defaults_of, held_out_loss, split_tokens
from aigc_tutorial.files import writable_folder
from aigc_tutorial.integers import as_count
from aigc_tutorial.training import Engine

EXAMPLES = (
    "aigc-tutorial search characters --text my.txt --n-tokens 100000 --folder runs/search",
    "aigc-tutorial search characters --folder runs/search --space "
    "training.learning_rate_matrices=log:0.003..0.05 model_config.token_shift=1,3,5",
)
STORAGE = "search.sqlite"
_REPORTS = 5


@dataclass(frozen=True)
class Search:
    """Try settings of a recipe on a text, and keep those that predict its last tenth best.

    Each trial trains a model of its own; one that does worse than half of the others on the way is
    ended. What was chosen by a text is better on it than on any other. After Ctrl-C, or a kill, the
    same command goes on; given twice at the same time, both work on one search.

    Attributes:
        folder: where the trials are kept.
        space: settings and their ranges: NAME=LOW..HIGH, NAME=log:LOW..HIGH, or NAME=A,B,C; names
            as training.batch_size, model_config.width.
        n_trials: how many trials in all.
        n_tokens: budget of a trial, in predicted tokens.
        sampler: tpe draws where good trials were, random anywhere, which is as good where there are
            few trials.
        text: a file in UTF-8; by default tiny Shakespeare.
        seed: of the settings that are drawn, and of every training.
        device: "cpu", "cuda", "mps"; by default the GPU where there is one.
        recipe: where the other settings come from.
    """

    folder: Path
    space: tuple[str, ...] = (
        "training.learning_rate_matrices=log:0.003..0.05",
        "training.learning_rate_others=log:0.002..0.03",
    )
    n_trials: int = 20
    n_tokens: int = 100_000
    sampler: Literal["tpe", "random"] = "tpe"
    text: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    seed: int = 0
    device: str | None = None
    recipe: tyro.conf.Suppress[str] = "characters"

    def __post_init__(self) -> None:
        """Check the numbers and the ranges."""
        as_count(self.n_trials, "--n-trials")
        as_count(self.n_tokens, "--n-tokens")
        check_seed(self.seed)
        ranges_of(self.space)

    def run(self) -> None:
        """Search, and say what was found."""
        base = defaults_of(self.recipe)
        text, tokenizer, train, held_out = split_tokens(self.text, self.recipe)
        recipe, _ = RECIPES[self.recipe]
        recipe = dataclasses.replace(
            recipe,
            model_config=dataclasses.replace(base.model, vocab_size=tokenizer.vocab_size),
            training=dataclasses.replace(recipe.training, n_tokens=self.n_tokens),
        )
        engine = Engine(device=self.device)
        settings = {
            "search": self.recipe,
            "space": list(self.space),
            "n_tokens": self.n_tokens,
            "sampler": self.sampler,
            "seed": self.seed,
            "text (SHA-256)": hashlib.sha256(text.text.encode()).hexdigest(),
        }
        folder = writable_folder(self.folder)
        begin_run(folder, settings, made=folder / STORAGE)

        def objective(recipe: Recipe, report: adaptation.Report) -> float:
            every = max(1, self.n_tokens // _REPORTS)

            def validation(model: Any) -> float:
                loss = held_out_loss(model, tokens=held_out, context=recipe.model_config.context)
                report(loss, min(report.n_seen + every, self.n_tokens))
                return loss

            result = recipe.train(
                train,
                seed=self.seed,
                engine=engine,
                validation=validation,
                validate_every=every,
                progress_bar=False,
            )
            return min(result.validation["nll"])

        found = adaptation.search(
            objective,
            recipe,
            ranges_of(self.space),
            n_trials=self.n_trials,
            sampler=self.sampler,
            n_startup_trials=min(10, max(1, self.n_trials // 2)),
            pruning=adaptation.MedianPruning(n_warmup=self.n_tokens // _REPORTS),
            storage=folder / STORAGE,
            seed=self.seed,
            progress_bar=sys.stderr.isatty(),
        )
        for trial in sorted(found.trials, key=lambda t: (t.state != "complete", t.value or 0.0)):
            value = "" if trial.value is None else f"{trial.value:.4f}"
            words = "  ".join(f"{name}={_short(x)}" for name, x in trial.settings.items())
            print(f"{value:>8}  {trial.state:<8}  {words}")
        print(f"\nBest: {found.value:.4f} nats a token on the text held out. Train with it:")
        print(f"  {self.command_of(found.settings)}")

    def command_of(self, settings: dict[str, Any]) -> str:
        """The command that trains a model with these settings, on the recipe's whole budget."""
        words = [PROGRAM, "train", "ar", self.recipe]
        words += [] if self.text is None else ["--text", str(self.text)]
        for name, value in settings.items():
            flag = name.removeprefix("training.").replace("model_config.", "model.")
            words += [f"--{flag.replace('_', '-')}", _short(value)]
        return shlex.join([*words, "--folder", "runs/found"])


def ranges_of(space: Sequence[str]) -> dict[str, Parameter]:
    """Read ranges: ``NAME=LOW..HIGH``, ``NAME=log:LOW..HIGH`` or ``NAME=A,B,C``.

    Raises:
        ValueError: if one is none.
    """
    return dict(_range_of(text) for text in space)


def _range_of(text: str) -> tuple[str, Parameter]:
    name, _, written = text.partition("=")
    interval = re.fullmatch(r"(log:)?(.+)\.\.(.+)", written)
    try:
        if interval is None:
            options = tuple(_value(word) for word in written.split(","))
            return name, Choice(options)
        low, high = _value(interval[2]), _value(interval[3])
        if isinstance(low, int) and isinstance(high, int):
            return name, Integers(low, high, log=bool(interval[1]))
        kind = LogUniform if interval[1] else Uniform
        return name, kind(float(low), float(high))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"--space {text!r} is no range ({error}); write NAME=LOW..HIGH, NAME=log:LOW..HIGH "
            "or NAME=A,B,C"
        ) from error


def _value(word: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if word.lower() in words:
        return words[word.lower()]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def parse(arguments: Sequence[str]) -> Search:
    """Understand what follows ``search``."""
    lines = {name: text for name, (_, text) in RECIPES.items()}
    name, others = choose(arguments, lines, command="search", what="recipe", examples=EXAMPLES)
    default = Search(Path(), recipe=name)
    return parse_as(
        Search,
        others,
        command=f"search {name}",
        examples=EXAMPLES,
        default=default,
        required=("folder",),
    )
