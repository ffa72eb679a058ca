"""One change to the Shakespeare recipe at a time, at equal data: what helps and what does not.

    python benchmarks/ar_search.py                                # the recipe as it is
    python benchmarks/ar_search.py training.batch_size=24 --seeds 0 1
    python benchmarks/ar_search.py model.mlp_factor=2 training.learning_rate_matrices=0.02
    python benchmarks/ar_search.py --table                        # write the table again

Appends a line for each seed to ``benchmarks/results/ar_search.jsonl`` and writes all of them as a
table to ``ar_search.md``. Runs are compared at equal data and not at equal time, so several may
share a machine; tokens a second are recorded for orientation alone. Needs tiny Shakespeare itself.
"""

import dataclasses
from pathlib import Path

from searching import Entry, Search, grouped
from torch import Tensor

from aigc_tutorial.ar.models.transformer import TransformerConfig
from aigc_tutorial.ar.recipes import SHAKESPEARE, Recipe
from aigc_tutorial.ar.trainer import ARTrainingConfig
from aigc_tutorial.data.text import tiny_shakespeare
from aigc_tutorial.evaluation.likelihood import text_likelihood
from aigc_tutorial.nn import count_parameters
from aigc_tutorial.tokenizers import CharacterTokenizer
from aigc_tutorial.training import Engine

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


def characters() -> tuple[Tensor, Tensor]:
    """Tokens of the training and of the validation text."""
    train, validation = tiny_shakespeare("train"), tiny_shakespeare("validation")
    tokenizer = CharacterTokenizer.from_text(train.text + validation.text)
    return tokenizer.encode(train.text), tokenizer.encode(validation.text)


def measure(
    recipe: Recipe, data: tuple[Tensor, Tensor], n_tokens: int, seed: int, precision: str
) -> Entry:
    """Train on ``n_tokens`` and score the whole validation text in windows of 64."""
    train, validation = data
    engine = Engine(device="cpu", mixed_precision=precision)
    result = recipe.train(train, n_tokens=n_tokens, seed=seed, progress_bar=False, engine=engine)
    report = text_likelihood(result.model, validation, context=64)
    return {
        "nats": round(report.nats_per_token, 4),
        "n_parameters": count_parameters(result.model),
        "tokens_per_second": round(result.n_tokens / result.seconds),
    }


def table(entries: list[Entry]) -> str:
    """A row for each recipe that was tried: mean over seeds, then the single values."""
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
    rows = grouped(entries, ("n_tokens", "n_parameters", "recipe"), "nats")
    for (n_tokens, size, name), mean, values in sorted(rows, key=lambda row: row[0][0]):
        each = ", ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {n_tokens:,} | {mean:.3f} | {each} | {size:,} | {name} |")
    return "\n".join(lines) + "\n"


SEARCH = Search(
    results=Path(__file__).parent / "results" / "ar_search.jsonl",
    recipe=SHAKESPEARE,
    start=START,
    parts={"model": "model_config", "training": "training"},
    unit="tokens",
    budget=360_000,
    load=characters,
    measure=measure,
    table=table,
)

if __name__ == "__main__":
    SEARCH.main(__doc__.splitlines()[0])
