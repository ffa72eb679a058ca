"""Autoregressive models compared at equal tuning: networks, parts of the Transformer, sizes.

    python benchmarks/ar_fair.py                  # everything, about half an hour on one core
    python benchmarks/ar_fair.py sizes repetition   # parts of it

Every side gets the same trials: each of its rates is tried once, the first half of the held-out
text chooses one, and the second half judges fresh runs with other seeds. The text is the
documentation that every Python holds, so nothing has to be downloaded; it depends on the version of
Python, which is recorded. Runs are compared at equal tokens, so several may share a machine.

- ``networks-adamw``, ``networks-muon``: an RNN, a GRU and a Transformer of one size.
- ``beginnings``: the Transformer with random weights in place of zeros, by either optimizer.
- ``parts``: a small Transformer without each of its parts.
- ``sizes``: three widths on up to 208,000 tokens, each token seen once.
- ``repetition``: 208,000 tokens of training, on ever less text seen ever more often.

The last two do not choose a rate. Less text is drawn from all over the text, since its beginning
alone would be less *and* about other matters than what judges.

Each part replaces its entry in ``benchmarks/results/ar_fair.json``, and all are written again as
tables to ``ar_fair.md``, sizes and repetition as a picture too.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import torch
from recording import Results, protocol, recorded, run_parts
from torch import Tensor

from aigc_tutorial import ar
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data.text import python_documentation
from aigc_tutorial.evaluation.likelihood import text_likelihood
from aigc_tutorial.nn import count_parameters
from aigc_tutorial.tokenizers import CharacterTokenizer
from aigc_tutorial.viz.style import save_figure, style
from aigc_tutorial.viz.variants import figure_variants

RESULTS = Path(__file__).parent / "results" / "ar_fair.json"
PLOT = RESULTS.with_name("ar_fair.png")
UNIT = "nats per character of the second half of the held-out text, windows of 64"
CHOOSING_SEED = 100
"""Of the runs that choose a rate; those that are judged have others."""

MUON = ar.ARTrainingConfig(n_tokens=160_000, batch_size=16)
ADAMW = dataclasses.replace(MUON, optimizer="adamw", max_gradient_norm=1.0)
ADAMW_RATES = (0.004, 0.008, 0.016, 0.032)
MUON_RATES = (0.015, 0.03, 0.06, 0.12)
PARTS_RATES = (0.0075, 0.015, 0.03, 0.06)


@cache
def text() -> tuple[int, Tensor, Tensor, Tensor]:
    """V, then the tokens to learn from, to choose by and to judge by."""
    documentation = python_documentation()
    tokenizer = CharacterTokenizer.from_text(documentation.text)
    held_out = tokenizer.encode(documentation.split("validation").text)
    half = len(held_out) // 2
    training = tokenizer.encode(documentation.split("train").text)
    return tokenizer.vocab_size, training, held_out[:half], held_out[half:]


def with_rate(training: ar.ARTrainingConfig, rate: float) -> ar.ARTrainingConfig:
    """The rate of the hidden matrices; AdamW moves everything else at the same one."""
    others = rate if training.optimizer == "adamw" else training.learning_rate_others
    return dataclasses.replace(training, learning_rate_matrices=rate, learning_rate_others=others)


def spread(tokens: Tensor, n_tokens: int, seed: int) -> Tensor:
    """Windows (N, 65) from all over the text, in which ``n_tokens`` are predicted.

    With one seed the smaller choice is a part of the larger.
    """
    n_windows = (len(tokens) - 1) // 64
    order = torch.randperm(n_windows, generator=torch.Generator().manual_seed(seed))
    starts = 64 * order[: n_tokens // 64]
    return tokens[starts[:, None] + torch.arange(65)]


def run(
    model_class: type[Any], config: Any, training: ar.ARTrainingConfig, seed: int, n_unique: int = 0
) -> tuple[float, float, int]:
    """Losses on the text to choose by and to judge by, and the number of weights.

    ``n_unique`` limits the text to as many tokens.
    """
    _, tokens, choosing, judging = text()
    recipe = ar.recipes.Recipe("fair", model_class, config, training)
    data = spread(tokens, n_unique, seed) if n_unique else tokens
    model = recipe.train(data, seed=seed, progress_bar=False).model
    losses = [
        text_likelihood(model, part, context=64).nats_per_token for part in (choosing, judging)
    ]
    return losses[0], losses[1], count_parameters(model)


def compare(
    sides: Mapping[str, tuple[type[Any], Any, ar.ARTrainingConfig, Sequence[float]]],
    seeds: list[int],
) -> Results:
    """Choose each side's rate, then judge it."""
    rows = {}
    for name, (model_class, config, training, rates) in sides.items():
        tried = {
            rate: run(model_class, config, with_rate(training, rate), CHOOSING_SEED)[0]
            for rate in rates
        }
        best = min(tried, key=lambda rate: tried[rate])
        runs = [run(model_class, config, with_rate(training, best), seed) for seed in seeds]
        rows[name] = {
            "tried": {f"{rate:g}": round(loss, 4) for rate, loss in tried.items()},
            "rate": best,
            "nats": [round(judged, 4) for _, judged, _ in runs],
            "n_parameters": runs[0][2],
        }
        print(name, rows[name], flush=True)
    return {"unit": UNIT, "n_tokens": next(iter(sides.values()))[2].n_tokens, "rows": rows}


def transformer(**changes: Any) -> ar.AblatedTransformerConfig:
    """The configuration of the pages, without token shift, or a change of it."""
    return ar.AblatedTransformerConfig(
        **({"vocab_size": text()[0], "n_layers": 2, "width": 64, "token_shift": 0} | changes)
    )


def networks(seeds: list[int], training: ar.ARTrainingConfig, rates: Sequence[float]) -> Results:
    """Networks of one size, four rates each; with Muon the Transformer's token shift too."""
    vocab_size = text()[0]
    cells: tuple[tuple[Literal["rnn", "gru"], int], ...] = (("rnn", 248), ("gru", 144))
    rnn, gru = (
        ar.RecurrentConfig(vocab_size, cell=cell, embedding_dim=64, hidden_dim=hidden_dim)
        for cell, hidden_dim in cells
    )
    sides: dict[str, tuple[type[Any], Any]] = {
        "RNN": (ar.RecurrentModel, rnn),
        "GRU": (ar.RecurrentModel, gru),
        "Transformer": (ar.AblatedTransformer, transformer()),
    }
    if training.optimizer == "muon":
        sides["Transformer, token shift"] = ar.AblatedTransformer, transformer(token_shift=1)
    return compare({name: (*side, training, rates) for name, side in sides.items()}, seeds)


def networks_by_adamw(seeds: list[int]) -> Results:
    """Every network trained by AdamW."""
    return networks(seeds, ADAMW, ADAMW_RATES)


def networks_by_muon(seeds: list[int]) -> Results:
    """Every network trained by Muon, and its vectors and embeddings by AdamW."""
    return networks(seeds, MUON, MUON_RATES)


def beginnings(seeds: list[int]) -> Results:
    """The Transformer of the networks with random weights where it has zeros."""
    config = transformer(without=("zero initialisation",))
    return compare(
        {
            "AdamW": (ar.AblatedTransformer, config, ADAMW, ADAMW_RATES),
            "Muon": (ar.AblatedTransformer, config, MUON, MUON_RATES),
        },
        seeds,
    )


def parts(seeds: list[int]) -> Results:
    """A small Transformer without each of its parts, four rates each."""
    changes: dict[str, dict[str, Any]] = {
        "everything": {},
        "one head": {"n_heads": 1},
        "GELU for ReLU²": {"activation": "gelu"},
        "unbounded logits": {"logit_cap": None},
        **{
            f"without {part}": {"without": (part,)}
            for part in (
                "positions",
                "attention",
                "perceptron",
                "residual stream",
                "norm",
                "query-key norm",
                "zero initialisation",
            )
        },
        "with token shift": {"token_shift": 1},
    }
    training = dataclasses.replace(MUON, n_tokens=64_000)
    return compare(
        {
            name: (ar.AblatedTransformer, transformer(width=32, **change), training, PARTS_RATES)
            for name, change in changes.items()
        },
        seeds,
    )


WIDTHS = (16, 32, 64)
LENGTHS = (26_000, 52_000, 104_000, 208_000)


def sizes(seeds: list[int]) -> Results:
    """Loss against weights and tokens, each token seen once."""
    rows = []
    for width in WIDTHS:
        for n_tokens in LENGTHS:
            training = dataclasses.replace(MUON, n_tokens=n_tokens)
            runs = [run(ar.Transformer, whole(width), training, seed, n_tokens) for seed in seeds]
            row = {
                "width": width,
                "n_parameters": runs[0][2],
                "n_tokens": n_tokens,
                "nats": [round(judged, 4) for _, judged, _ in runs],
            }
            rows.append(row)
            print(row, flush=True)
    return {"unit": UNIT, "rows": rows}


def whole(width: int) -> ar.TransformerConfig:
    """The Transformer with its token shift, at a width."""
    return ar.TransformerConfig(text()[0], n_layers=2, width=width)


def repetition(seeds: list[int]) -> Results:
    """The same number of steps on less and less text."""
    rows = []
    for n_unique in LENGTHS[::-1]:
        training = dataclasses.replace(MUON, n_tokens=LENGTHS[-1])
        runs = [run(ar.Transformer, whole(64), training, seed, n_unique) for seed in seeds]
        row = {
            "n_unique": n_unique,
            "times": LENGTHS[-1] // n_unique,
            "nats": [round(judged, 4) for _, judged, _ in runs],
        }
        rows.append(row)
        print(row, flush=True)
    return {"unit": UNIT, "rows": rows}


def each(losses: list[float]) -> str:
    """Mean, then the single values."""
    return f"**{statistics.mean(losses):.3f}** | {', '.join(f'{loss:.3f}' for loss in losses)}"


def as_tables(results: Results) -> str:
    """Everything recorded so far as Markdown."""
    lines = [
        "# Fair comparisons",
        "",
        "Written by `python benchmarks/ar_fair.py`; not edited by hand. Nats per character.",
    ]
    for part, title in (
        ("networks-adamw", "Networks of one size, AdamW"),
        ("networks-muon", "Networks of one size, Muon"),
        ("beginnings", "The Transformer with random weights in place of zeros"),
        ("parts", "The Transformer without its parts"),
    ):
        if part not in results:
            continue
        result = results[part]
        lines += [
            "",
            f"## {title}, {result['n_tokens']:,} tokens",
            "",
            "| side | weights | rates tried, loss of the first half | chosen | mean | each seed |",
            "|:--|--:|:--|--:|--:|:--|",
        ]
        for name, row in result["rows"].items():
            tried = ", ".join(f"{rate}: {loss:.3f}" for rate, loss in row["tried"].items())
            lines.append(
                f"| {name} | {row['n_parameters']:,} | {tried} | {row['rate']:g} | "
                f"{each(row['nats'])} |"
            )
        lines += ["", protocol(result)]
    if "sizes" in results:
        lines += [
            "",
            "## Weights and tokens, each token seen once",
            "",
            "| width | weights | tokens | mean | each seed |",
            "|--:|--:|--:|--:|:--|",
        ]
        lines += [
            f"| {row['width']} | {row['n_parameters']:,} | {row['n_tokens']:,} | "
            f"{each(row['nats'])} |"
            for row in results["sizes"]["rows"]
        ]
        lines += ["", protocol(results["sizes"])]
    if "repetition" in results:
        lines += [
            "",
            "## The same training on less text, seen more often",
            "",
            "| different tokens | times | mean | each seed |",
            "|--:|--:|--:|:--|",
        ]
        lines += [
            f"| {row['n_unique']:,} | {row['times']} | {each(row['nats'])} |"
            for row in results["repetition"]["rows"]
        ]
        lines += ["", protocol(results["repetition"])]
    if {"sizes", "repetition"} <= set(results):
        lines += ["", f"![Two panels: loss against tokens, and against repetition]({PLOT.name})"]
    return "\n".join(lines) + "\n"


def draw(results: Results) -> None:
    """Loss against tokens, a curve for each width; beside it loss against repetition."""
    with style():
        figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True)
        for width in WIDTHS:
            rows = [row for row in results["sizes"]["rows"] if row["width"] == width]
            left.plot(
                [row["n_tokens"] for row in rows],
                [statistics.mean(row["nats"]) for row in rows],
                marker="o",
                label=f"{rows[0]['n_parameters']:,} weights",
            )
        rows = results["repetition"]["rows"]
        right.plot(
            [row["times"] for row in rows],
            [statistics.mean(row["nats"]) for row in rows],
            marker="o",
        )
        left.set_xlabel("tokens, each seen once")
        left.set_ylabel("held-out nats per character")
        right.set_xlabel("times that the same text is seen")
        for ax, places in ((left, LENGTHS), (right, [row["times"] for row in rows])):
            ax.set_xscale("log")
            ax.set_xticks(places, [f"{place:,}" for place in places])
            ax.minorticks_off()
        left.legend(fontsize=8)
    save_figure(figure, PLOT)
    for form, png in figure_variants(figure).items():  # for a phone: the book shows it there
        PLOT.with_stem(f"{PLOT.stem}-{form}").write_bytes(png)
    plt.close(figure)


if __name__ == "__main__":
    tune_cpu()
    torch.set_num_threads(1)
    run_parts(
        RESULTS,
        {
            "networks-adamw": networks_by_adamw,
            "networks-muon": networks_by_muon,
            "beginnings": beginnings,
            "parts": parts,
            "sizes": sizes,
            "repetition": repetition,
        },
        as_tables,
        __doc__.splitlines()[0],
    )
    if {"sizes", "repetition"} <= set(results := recorded(RESULTS)):
        draw(results)
