"""What the searches for a recipe share: changes by name, a line for each run, one table of all."""

import argparse
import ast
import dataclasses
import datetime
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.files import replace_file

Entry = dict[str, Any]


@dataclass(frozen=True)
class Search:
    """One change to a recipe at a time, at equal data.

    Attributes:
        results: file that a line is appended to for each run; the table goes beside it.
        recipe: what is changed.
        start: where the search began, in full; a run is described by what differs from it.
        parts: the recipe's configurations: what the command line calls each, and its attribute.
        losses: the losses that ``loss=NAME`` may choose, if the recipe has one.
        unit: what the budget counts.
        budget: how much of it each run sees unless the command line says otherwise.
        load: returns the data, once for all runs.
        measure: trains on the data; takes recipe, data, budget, seed and precision.
        table: the recorded runs as Markdown.
    """

    results: Path
    recipe: Any
    start: Any
    parts: Mapping[str, str]
    unit: str
    budget: int
    load: Callable[[], Any]
    measure: Callable[[Any, Any, int, int, str], Entry]
    table: Callable[[list[Entry]], str]
    losses: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def changed(self, changes: Mapping[str, str]) -> Any:
        """The recipe after changes such as ``{"training.batch_size": "24"}``.

        Raises:
            ValueError: if there is no setting of that name.
        """
        recipe = self.recipe
        for name, text in changes.items():
            part, _, setting = name.partition(".")
            if name == "loss" and text in self.losses:
                recipe = dataclasses.replace(recipe, loss=self.losses[text])
                continue
            config: Any = getattr(recipe, self.parts[part]) if part in self.parts else None
            if not hasattr(config, setting):
                raise ValueError(
                    f"there is no setting {name}={text}; expected a name such as "
                    f"{next(iter(self.parts))}.SETTING, of one of {', '.join(self.parts)}"
                    + f", or loss=NAME of {', '.join(self.losses)}"
                    * bool(self.losses)
                )
            config = dataclasses.replace(config, **{setting: ast.literal_eval(text)})
            recipe = dataclasses.replace(recipe, **{self.parts[part]: config})
        return recipe

    def described(self, recipe: Any) -> str:
        """What differs from ``start``, in words that stay true when the defaults change."""
        words = []
        if self.losses and recipe.loss is not self.start.loss:
            words.append(f"loss={recipe.loss.name}")
        for part, attribute in self.parts.items():
            config, start = getattr(recipe, attribute), getattr(self.start, attribute)
            for field in dataclasses.fields(config):
                value = getattr(config, field.name)
                is_budget = field.name == f"n_{self.unit}"
                if value != getattr(start, field.name) and not is_budget:
                    words.append(f"{part}.{field.name}={value}")
        return " ".join(words) or "the starting point"

    def write_table(self) -> None:
        """Write all recorded runs as a table."""
        lines = self.results.read_text(encoding="utf-8").splitlines()
        text = self.table([json.loads(line) for line in lines])
        with replace_file(self.results.with_suffix(".md")) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def main(self, description: str, arguments: Sequence[str] | None = None) -> None:
        """Run what the command line asks for."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("changes", nargs="*", metavar="part.setting=value")
        parser.add_argument("--seeds", type=int, nargs="+", default=[0])
        parser.add_argument(f"--{self.unit}", type=int, default=self.budget, dest="budget")
        parser.add_argument("--precision", choices=["no", "bf16"], default="no")
        parser.add_argument("--table", action="store_true", help="only write the table again")
        options = parser.parse_args(arguments)
        if not options.table:
            self._run(options)
        self.write_table()

    def _run(self, options: argparse.Namespace) -> None:
        recipe = self.changed(dict(change.split("=", 1) for change in options.changes))
        tune_cpu()
        words = self.described(recipe) + " in bf16" * (options.precision == "bf16")
        data = self.load()
        for seed in options.seeds:
            entry = {
                "changes": " ".join(options.changes),
                "recipe": words,
                f"n_{self.unit}": options.budget,
                "seed": seed,
                **self.measure(recipe, data, options.budget, seed, options.precision),
                "torch": torch.__version__,
                "threads": torch.get_num_threads(),
                "date": datetime.date.today().isoformat(),
            }
            with self.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            print(json.dumps(entry), flush=True)


def grouped(
    entries: Sequence[Entry], keys: Sequence[str], value: str
) -> list[tuple[tuple[Any, ...], float, list[float]]]:
    """Runs of the same recipe together: its keys, the mean over seeds, and the single values.

    The best come first.
    """
    rows: dict[tuple[Any, ...], list[float]] = {}
    for entry in entries:
        rows.setdefault(tuple(entry[key] for key in keys), []).append(entry[value])
    means = [(key, statistics.mean(values), values) for key, values in rows.items()]
    return sorted(means, key=lambda row: row[1])
