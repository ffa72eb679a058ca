"""One change to the Shakespeare recipe at a time, at equal data: what helps and what does not.

    python benchmarks/ar_search.py                                # the recipe as it is
    python benchmarks/ar_search.py training.batch_size=24 --seeds 0 1
    python benchmarks/ar_search.py model.mlp_factor=2 training.learning_rate_matrices=0.02
    python benchmarks/ar_search.py --table                        # write the table again

Appends a line for each seed to ``benchmarks/results/ar_search.jsonl`` and writes all of them as a
table to ``ar_search.md``. Runs are compared at equal data and not at equal time, so several may
share a machine; tokens a second are recorded for orientation alone. Needs tiny Shakespeare itself.
"""

import argparse
import ast
import dataclasses
import datetime
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aigc_tutorial.ar.models.transformer import TransformerConfig
from aigc_tutorial.ar.recipes import SHAKESPEARE, Recipe
from aigc_tutorial.ar.trainer import ARTrainingConfig
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data.text import tiny_shakespeare
from aigc_tutorial.evaluation.likelihood import text_likelihood
from aigc_tutorial.files import replace_file
from aigc_tutorial.nn import count_parameters
from aigc_tutorial.tokenizers import CharacterTokenizer
from aigc_tutorial.training import Engine

RESULTS = Path(__file__).parent / "results" / "ar_search.jsonl"
# Where the search began, in full.
START = dataclasses.replace(
    SHAKESPEARE,
    model_config=TransformerConfig(
        vocab_size=65,
        context=64,
        n_layers=4,
        n_heads=4,
        width=128,
        mlp_factor=4,
        rope_base=1000.0,
        activation="relu2",
        tie_embeddings=False,
        logit_cap=15.0,
        token_shift=1,
    ),
    training=ARTrainingConfig(
        batch_size=24,
        context=64,
        optimizer="muon",
        learning_rate_matrices=0.02,
        learning_rate_others=0.01,
        weight_decay=0.0,
        momentum=0.95,
        newton_schulz_steps=5,
        betas=(0.8, 0.95),
        warmup_tokens=30_000,
        flat_until=0.4,
        final_learning_rate=0.03,
        max_gradient_norm=None,
        ema_half_life=None,
    ),
)
PARTS = {"model": "model_config", "training": "training"}


def characters() -> tuple[Tensor, Tensor]:
    """Tokens of the training and of the validation text."""
    train, validation = tiny_shakespeare("train"), tiny_shakespeare("validation")
    tokenizer = CharacterTokenizer.from_text(train.text + validation.text)
    return tokenizer.encode(train.text), tokenizer.encode(validation.text)


def changed(recipe: Recipe, changes: dict[str, str]) -> Recipe:
    """Apply changes such as ``{"training.batch_size": "24"}``; an unknown name is an error."""
    for name, text in changes.items():
        part, _, field = name.partition(".")
        attribute = PARTS[part]
        config = dataclasses.replace(getattr(recipe, attribute), **{field: ast.literal_eval(text)})
        recipe = dataclasses.replace(recipe, **{attribute: config})
    return recipe


def measure(
    recipe: Recipe, train: Tensor, validation: Tensor, n_tokens: int, seed: int, precision: str
) -> dict[str, Any]:
    """Train on ``n_tokens`` and score the whole validation text in windows of 64."""
    tune_cpu()
    engine = Engine(device="cpu", mixed_precision=precision)
    result = recipe.train(train, n_tokens=n_tokens, seed=seed, progress_bar=False, engine=engine)
    report = text_likelihood(result.model, validation, context=64)
    return {
        "nats": round(report.nats_per_token, 4),
        "n_parameters": count_parameters(result.model),
        "tokens_per_second": round(result.n_tokens / result.seconds),
    }


def write_table() -> None:
    """Write a row for each recipe that was tried: mean over seeds, then the single values."""
    rows: dict[tuple[str, int, int], list[float]] = {}
    for line in RESULTS.read_text().splitlines():
        entry = json.loads(line)
        key = (entry["recipe"], entry["n_tokens"], entry["n_parameters"])
        rows.setdefault(key, []).append(entry["nats"])
    lines = [
        "# Search for the Shakespeare recipe",
        "",
        "Written by `python benchmarks/ar_search.py`; not edited by hand. Nats per character of",
        "the whole validation text, in windows of 64 given characters one after the other. A row",
        "names what differs from `START` in that script; rows beginning with `prototype` come",
        "from a model in one file that the package's was built after, in its words.",
        "",
        "| tokens | nats, mean | each seed | parameters | recipe |",
        "|--:|--:|:--|--:|:--|",
    ]
    for (name, n_tokens, size), values in sorted(
        rows.items(), key=lambda row: (row[0][1], statistics.mean(row[1]))
    ):
        each = ", ".join(f"{value:.3f}" for value in values)
        mean = statistics.mean(values)
        lines.append(f"| {n_tokens:,} | {mean:.3f} | {each} | {size:,} | {name} |")
    with replace_file(RESULTS.with_suffix(".md")) as temporary:
        temporary.write_text("\n".join(lines) + "\n")


def describe(recipe: Recipe) -> str:
    """What differs from :data:`START`, in words that stay true when the defaults change."""
    words = []
    for part, attribute in PARTS.items():
        config, start = getattr(recipe, attribute), getattr(START, attribute)
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if value != getattr(start, field.name) and field.name != "n_tokens":
                words.append(f"{part}.{field.name}={value}")
    return " ".join(words) or "the starting point"


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("changes", nargs="*", metavar="part.setting=value")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--tokens", type=int, default=360_000)
    parser.add_argument("--precision", choices=["no", "bf16"], default="no")
    parser.add_argument("--table", action="store_true", help="only write the table again")
    options = parser.parse_args()
    if options.table:
        write_table()
        return
    changes = dict(change.split("=", 1) for change in options.changes)
    recipe = changed(SHAKESPEARE, changes)
    train, validation = characters()
    for seed in options.seeds:
        entry = {
            "changes": " ".join(options.changes),
            "recipe": describe(recipe) + (" in bf16" if options.precision == "bf16" else ""),
            "n_tokens": options.tokens,
            "seed": seed,
            **measure(recipe, train, validation, options.tokens, seed, options.precision),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "date": datetime.date.today().isoformat(),
        }
        with RESULTS.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
    write_table()


if __name__ == "__main__":
    main()
