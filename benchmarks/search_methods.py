"""Does a search that learns from its trials beat a random one, when both see as much data?

    python benchmarks/search_methods.py recipe

Written into ``results/search_methods.json`` and ``search_methods.md``. A small Transformer learns
Python's documentation by characters; five of its settings are searched. Every search may spend the
same number of tokens in all its trainings: where trials are ended early there are more of them. The
searches choose by validation text; the setting that each chose is trained once more and measured on
test text, which chose nothing. The seed is that of the search and of all trainings in it.
"""

import statistics
from itertools import count
from pathlib import Path
from typing import Any

from recording import Results, protocol, run_parts
from torch import Tensor

from aigc_tutorial import adaptation, ar
from aigc_tutorial.adaptation import Choice, LogUniform, MedianPruning, Uniform
from aigc_tutorial.ar.recipes import Recipe
from aigc_tutorial.cpu import tune_cpu
from aigc_tutorial.data import python_documentation
from aigc_tutorial.evaluation.likelihood import text_likelihood
from aigc_tutorial.tokenizers import CharacterTokenizer

RESULTS = Path(__file__).parent / "results" / "search_methods.json"
N_TOKENS, N_REPORTS, N_TRAININGS = 12_000, 6, 16
BUDGET = N_TRAININGS * N_TOKENS
SPACE = {
    "training.learning_rate_matrices": LogUniform(1e-3, 0.3),
    "training.learning_rate_others": LogUniform(1e-4, 0.1),
    "training.batch_size": Choice((4, 8, 16, 32)),
    "training.momentum": Uniform(0.5, 0.98),
    "training.flat_until": Uniform(0.1, 0.9),
}
PRUNING = MedianPruning(n_startup_trials=4, n_warmup=N_TOKENS // N_REPORTS)
METHODS: dict[str, dict[str, Any]] = {
    "random": {"sampler": "random"},
    "random, pruned": {"sampler": "random", "pruning": PRUNING},
    "TPE": {"sampler": "tpe", "n_startup_trials": 6},
    "TPE, pruned": {"sampler": "tpe", "n_startup_trials": 6, "pruning": PRUNING},
}


def nats(model: Any, text: Tensor) -> float:
    """Nats per character, windows one after the other."""
    return text_likelihood(model, text, context=32).nats_per_token


def measure_recipe(seeds: list[int]) -> Results:
    """All methods at all seeds."""
    documentation = python_documentation()
    train, validation = (documentation.split(part).text for part in ("train", "validation"))
    tokenizer = CharacterTokenizer.from_text(documentation.text)
    tokens, held_out = tokenizer.encode(train), tokenizer.encode(validation)
    chosen_by, test = held_out[:4_000], held_out[-12_000:]
    recipe = Recipe(
        name="small",
        model_class=ar.Transformer,
        model_config=ar.TransformerConfig(
            tokenizer.vocab_size, context=32, n_layers=1, n_heads=2, width=32
        ),
        training=ar.ARTrainingConfig(n_tokens=N_TOKENS, warmup_tokens=600),
    )

    def search(seed: int, options: dict[str, Any]) -> dict[str, Any]:
        def objective(config: Recipe, report: adaptation.Report) -> float:
            places = count(1)

            def validate(model: Any) -> float:
                loss = nats(model, chosen_by)
                report(loss, next(places) * N_TOKENS // N_REPORTS)
                return loss

            result = config.train(
                tokens,
                seed=seed,
                validation=validate,
                validate_every=N_TOKENS // N_REPORTS,
                progress_bar=False,
            )
            return result.validation["nll"][-1]

        found = adaptation.search(
            objective, recipe, SPACE, budget=BUDGET, seed=seed, progress_bar=False, **options
        )
        model = found.config.train(tokens, seed=seed, progress_bar=False).model
        n_complete = sum(trial.state == "complete" for trial in found.trials)
        shares = found.importances() if n_complete >= 4 else {}
        return {
            "seed": seed,
            "validation": round(found.value, 4),
            "test": round(nats(model, test), 4),
            "n_trials": len(found.trials),
            "n_complete": n_complete,
            "n_seen": found.n_seen,
            "settings": found.settings,
            "curve": [[n_seen, round(best, 4)] for n_seen, best in found.best_so_far()],
            "importances": {n: round(x, 3) for n, x in shares.items()},
        }

    rows = {}
    for name, options in METHODS.items():
        rows[name] = [search(seed, options) for seed in seeds]
        print(name, [row["test"] for row in rows[name]], flush=True)
    return {
        "unit": f"nats per character; every search spends {BUDGET:,} tokens, {N_TRAININGS} "
        f"trainings of {N_TOKENS:,}",
        "default": round(nats(recipe.train(tokens, progress_bar=False).model, test), 4),
        "rows": rows,
    }


def tables(results: Results) -> str:
    """All parts as Markdown."""
    lines = [
        "# Does a search that learns from its trials beat a random one?",
        "",
        "Written by `python benchmarks/search_methods.py`; not edited by hand. Lower is better. A",
        "search chooses by validation text; what it chose is measured on test text. The last",
        "column is the mean over the seeds of a method's test loss less that of the random search",
        "with the same seed, and in how many seeds it is lower.",
    ]
    for part, result in results.items():
        lines += ["", f"## {part.capitalize()}", "", protocol(result), ""]
        lines += [
            f"The recipe as it comes, not searched, reaches {result['default']:.3f}.",
            "",
            "| method | test, mean | each seed | validation, mean | trials | of them complete "
            "| beside random |",
            "|:--|--:|:--|--:|--:|--:|:--|",
        ]
        random = [row["test"] for row in result["rows"]["random"]]
        for name, rows in result["rows"].items():
            test = [row["test"] for row in rows]
            gains = [value - other for value, other in zip(test, random, strict=True)]
            beside = (
                f"{statistics.mean(gains):+.3f}, {sum(gain < 0 for gain in gains)} of {len(gains)}"
            )
            cells = [
                name,
                f"{statistics.mean(test):.3f}",
                ", ".join(f"{value:.3f}" for value in test),
                f"{statistics.mean(row['validation'] for row in rows):.3f}",
                *(
                    f"{statistics.mean(row[key] for row in rows):.1f}"
                    for key in ("n_trials", "n_complete")
                ),
                "–" if name == "random" else beside,
            ]
            lines.append(f"| {' | '.join(cells)} |")
        shares: dict[str, list[float]] = {}
        for rows in result["rows"].values():
            for row in rows:
                for name, share in row["importances"].items():
                    shares.setdefault(name, []).append(share)
        told = sorted(shares.items(), key=lambda item: -statistics.mean(item[1]))
        lines += [
            "",
            "Importances, means over all searches: "
            + ", ".join(f"`{name}` {statistics.mean(values):.2f}" for name, values in told)
            + ".",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    tune_cpu()
    run_parts(RESULTS, {"recipe": measure_recipe}, tables, __doc__.splitlines()[0])
