"""What the searches of the command have in common: options, ranges, and what they tell at the end.

A search of GANs and one of autoregressive models differ in the data, and in what a trial is chosen
by: see :mod:`aigc_tutorial.cli.search_gan` and :mod:`aigc_tutorial.cli.search_ar`.
"""

import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from aigc_tutorial import adaptation
from aigc_tutorial.adaptation import Choice, Integers, LogUniform, Parameter, Report, Uniform
from aigc_tutorial.cli.parsing import PROGRAM, UsageError, check_seed
from aigc_tutorial.cli.runs import SEARCH_NAME, begin_run
from aigc_tutorial.config import Config
from aigc_tutorial.files import writable_folder
from aigc_tutorial.training import Engine
from aigc_tutorial.training.validation import Validation

UNNAMED = ("options",)
REQUIRED = ("folder",)
_REPORTS = 5
_ENOUGH_FOR_IMPORTANCES = 10
# What the parts of a recipe are called among the flags of `train`.
_FLAGS = {
    "training.": "",
    "model_config.": "model.",
    "generator_config.": "generator.",
    "discriminator_config.": "discriminator.",
}

Trial = Callable[[Any, Callable[[Validation], Validation], int], float]
"""Trains a recipe and returns the held-out loss of the model that the training leaves; takes what
makes a validation report to the search, and from how much data to how much it is to be asked."""


@dataclass(frozen=True)
class SearchOptions(Config):
    """What is tried, and how often.

    Attributes:
        space: settings and their ranges: NAME=LOW..HIGH, NAME=log:LOW..HIGH, or NAME=A,B,C; names
            as training.batch_size.
        n_trials: how many trials in all.
        sampler: tpe draws where good trials were, random anywhere, which is as good where there are
            few trials.
        seed: of the settings that are drawn, and of every training.
        device: "cpu", "cuda", "mps"; by default the GPU where there is one.
    """

    space: tuple[str, ...]
    n_trials: int = 20
    sampler: Literal["tpe", "random"] = "tpe"
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        """Check the numbers and the ranges."""
        super().__post_init__()
        self.require("n_trials", at_least=1)
        check_seed(self.seed)
        ranges_of(self.space)

    def engine(self) -> Engine:
        """The device of every trial.

        Raises:
            UsageError: if several processes were started to train one model together.
        """
        engine = Engine(device=self.device)
        if engine.n_processes > 1:
            raise UsageError(
                "a search trains a model in each process, so start the command itself several "
                "times and not by torchrun: all that have the same folder share its trials"
            )
        return engine

    def settings(self, recipe: str, **others: Any) -> dict[str, Any]:
        """What tells this search from another one."""
        return {
            "search": recipe,
            "space": list(self.space),
            "sampler": self.sampler,
            "seed": self.seed,
            **others,
        }


def find(
    trial: Trial,
    recipe: Any,
    options: SearchOptions,
    *,
    folder: Path,
    settings: Mapping[str, Any],
    budget: int,
) -> adaptation.SearchResult[Any]:
    """Search, and keep the trials in the folder.

    Args:
        trial: trains a recipe.
        recipe: where the settings come from that are not searched.
        options: of the search.
        folder: where the trials are kept.
        settings: what tells this search from another one.
        budget: of one trial, in images or tokens.
    """
    folder = writable_folder(folder)
    begin_run(folder, settings)
    every = max(1, budget // _REPORTS)

    def objective(recipe: Any, report: Report) -> float:
        def reporting(validation: Validation) -> Validation:
            def measured(model: Any) -> float:
                loss = validation(model)
                report(loss, min(report.n_seen + every, budget))
                return loss

            return measured

        try:
            return trial(recipe, reporting, every)
        except ValueError as error:
            if report.n_seen:
                raise
            # Such as a width that is no multiple of the heads: of this trial, not of the search.
            raise FloatingPointError(str(error)) from error

    try:
        return adaptation.search(
            objective,
            recipe,
            ranges_of(options.space),
            n_trials=options.n_trials,
            sampler=options.sampler,
            n_startup_trials=min(10, max(1, options.n_trials // 2)),
            pruning=adaptation.MedianPruning(n_warmup=every),
            storage=folder / SEARCH_NAME,
            seed=options.seed,
            progress_bar=sys.stderr.isatty(),
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; the trials that ended are kept in {folder}, and the one under way is tried "
            "anew"
        ) from None


def tell(
    found: adaptation.SearchResult[Any], unit: str, command: Sequence[str], recipe: Any
) -> None:
    """Print all trials, the best first, what decided, and the command that trains with the best.

    Args:
        found: by the search.
        unit: of the loss, with what it was measured on: ``"nats a token on the text held out"``.
        command: its words, to which the flags of the settings are added.
        recipe: what the command trains by without a flag.
    """
    for trial in sorted(found.trials, key=lambda t: (t.state != "complete", t.value or 0.0)):
        value = "" if trial.value is None else f"{trial.value:.4f}"
        words = "  ".join(f"{name}={_short(x)}" for name, x in trial.settings.items())
        failure = "" if trial.failure is None else f"  ({trial.failure})"
        print(f"{value:>8}  {trial.state:<8}  {words}{failure}")
    values = [trial.value for trial in found.trials if trial.state == "complete"]
    if len(values) >= _ENOUGH_FOR_IMPORTANCES and len(set(values)) > 1 < len(found.settings):
        shares = found.importances()
        width = max(map(len, shares))
        print(f"\nWhat decided among the {len(values)} complete trials, as a hint:")
        for name, share in shares.items():
            print(f"  {name:<{width}}  {'█' * round(30 * share)} {100 * share:.0f} %")
    print(f"\nBest: {found.value:.4f} {unit}. Train with it:")
    print(f"  {shlex.join([PROGRAM, *command, *flags_of_settings(found.settings, recipe)])}")


def flags_of_settings(settings: Mapping[str, Any], recipe: Any) -> list[str]:
    """Settings of a recipe as flags of the command that trains it, with the last folder's name."""
    words: list[str] = []
    for name, value in settings.items():
        part = next((part for part in _FLAGS if name.startswith(part)), "")
        prefix, own = _FLAGS.get(part, ""), name.removeprefix(part).replace("_", "-")
        if not isinstance(value, bool):
            words += [f"--{prefix}{own}", _short(value)]
        elif value != attrgetter(name)(recipe):  # there is a flag for the other value alone
            words.append(f"--{prefix}{own}" if value else f"--{prefix}no-{own}")
    return [*words, "--folder", "runs/found"]


def ranges_of(space: Sequence[str]) -> dict[str, Parameter]:
    """Read ranges: ``NAME=LOW..HIGH``, ``NAME=log:LOW..HIGH`` or ``NAME=A,B,C``.

    Raises:
        ValueError: if one is none, or a setting has two.
    """
    ranges: dict[str, Parameter] = {}
    for name, parameter in map(_range_of, space):
        if name in ranges:
            raise ValueError(f"--space gives {name} two ranges; give it one")
        ranges[name] = parameter
    return ranges


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
